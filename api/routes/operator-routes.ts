// Every route of the operator's API but those about who may come in (access-routes.ts).

import type { EventFeed } from '../event-feed.ts';
import type { AskStore } from '../store-question.ts';
import type { ApiRoute } from './api-route.ts';
import { destinationRoutes } from './destination-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { flowRoutes } from './flow-routes.ts';
import { jobRoutes } from './job-routes.ts';
import { permissionRoutes } from './permission-routes.ts';
import { placeRoutes, type GatewaySide, type LiveSide } from './place-routes.ts';
import { policyRoutes, type PolicySide } from './policy-routes.ts';
import { quarantineRoutes, type Quarantine } from './quarantine-routes.ts';

/** Whom the routes ask. */
export interface RouteParts {
  readonly ask: AskStore;
  readonly live: LiveSide;
  readonly gateways: GatewaySide;
  readonly policy: PolicySide;
  readonly quarantine: Quarantine;
  readonly feed: EventFeed;
}

/** The routes, in the order in which the document has them. */
export function operatorRoutes(parts: RouteParts): readonly ApiRoute[] {
  const { ask, live, gateways, policy, quarantine, feed } = parts;
  return [
    ...jobRoutes(ask),
    ...flowRoutes(ask),
    ...destinationRoutes(ask),
    ...placeRoutes(ask, live, gateways),
    ...policyRoutes(ask, policy),
    ...permissionRoutes(ask),
    ...quarantineRoutes(quarantine, feed),
    ...eventRoutes(feed),
  ];
}
