// The operator's API as it is served, over a real store of either kind, with tokens to ask it by.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokensOnly } from '../../api/auth/access-settings.ts';
import { registerAccess } from '../../api/auth/register-access.ts';
import type { Role } from '../../api/auth/role.ts';
import { createToken } from '../../api/auth/token.ts';
import { EventFeed, feedLimits, type FeedLimits } from '../../api/event-feed.ts';
import { createOperatorApi } from '../../api/operator-api.ts';
import { startOperatorServer } from '../../api/operator-server.ts';
import { accessRoutes } from '../../api/routes/access-routes.ts';
import type { ApiRoute } from '../../api/routes/api-route.ts';
import { operatorRoutes, type RouteParts } from '../../api/routes/operator-routes.ts';
import { createAskStore } from '../../api/store-question.ts';
import { openTcpListener, socketPort } from '../../kernel/sockets.ts';
import { openStore, type OpenedStore, type StoreSource } from '../../store/opened-store.ts';
import { accessOf, actionsOf, type ActionPort } from '../../store/store-actions.ts';
import { questionsOf, type StorePort } from '../../store/store-port.ts';

interface Ending {
  teardown(end: () => unknown): void;
}

export interface OperatorLab {
  readonly origin: string;
  readonly store: OpenedStore;
  readonly feed: EventFeed;
  readonly ask: RouteParts['ask'];
  readonly routes: readonly ApiRoute[];
  /** The store answers nothing while this is true. */
  readonly away: { isAway: boolean };
  token(role: Role, owners?: readonly string[] | null): Promise<string>;
  /** Asks with a token; `null`: with none. */
  get(path: string, token: string | null, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

export interface LabOptions {
  readonly source?: StoreSource;
  readonly limits?: Partial<FeedLimits>;
  readonly parts?: Partial<RouteParts>;
}

/** Opens store and API; both go with the test. */
export async function openOperatorLab(t: Ending, options: LabOptions = {}): Promise<OperatorLab> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-api-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const store = await openStore(options.source ?? { kind: 'embedded', folder });
  t.teardown(() => store.close());
  const feed = new EventFeed({ ...feedLimits, ...options.limits });
  t.teardown(() => feed.close());
  const away = { isAway: false };
  const questions = questionsOf(store.reader, store.flows);
  // The types of the port are those of the questions and actions that it carries.
  const port = {
    ask: async (name: keyof typeof questions, ...values: readonly unknown[]) =>
      (questions[name] as (...all: readonly unknown[]) => unknown)(...values),
  } as unknown as StorePort;
  const actions = actionsOf(store.writer);
  const acting = {
    act: async (name: keyof typeof actions, ...values: readonly unknown[]) =>
      (actions[name] as (...all: readonly unknown[]) => unknown)(...values),
  } as unknown as ActionPort;
  const ask = createAskStore(() => (away.isAway ? null : port));
  const log = { error: () => {}, warn: () => {}, info: () => {} };
  const access = { store: accessOf(acting), settings: tokensOnly, log, clock: Date.now };
  const routes = [
    ...operatorRoutes({
      ask,
      feed,
      live: () => ({ jobs: [], recall: [], managers: [], conflicts: [] }),
      gateways: async () => [],
      policy: { current: () => null, problem: () => null, reload: async () => {} },
      quarantine: async () => {},
      ...options.parts,
    }),
    ...accessRoutes(access, null),
  ];
  const fd = openTcpListener({ address: '127.0.0.1', port: 0 });
  const origin = `http://127.0.0.1:${socketPort(fd)}`;
  const server = await startOperatorServer({
    fd,
    metrics: async () => '# HELP x y\n',
    problems: () => [],
    addApi: (app) =>
      createOperatorApi(app, {
        routes,
        registerAccess: (at, table) => registerAccess(at, table, access),
        version: '0.0.0',
        log,
      }),
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    origin,
    store,
    feed,
    ask,
    routes,
    away,
    token: async (role, owners = null) => {
      const wanted = { label: 'test', role, owners, lifetimeMs: 600_000 };
      return (await createToken(access.store, wanted, Date.now())).text;
    },
    get: (path, token, headers = {}) =>
      fetch(`${origin}${path}`, {
        headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
      }),
  };
}
