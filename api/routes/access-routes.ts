// Every route about who may come in.

import type { AccessPorts } from '../auth/register-access.ts';
import type { OidcLogin } from '../auth/oidc/oidc-login.ts';
import type { ApiRoute } from './api-route.ts';
import { auditRoutes } from './audit-routes.ts';
import { LoginDesk, loginRoutes } from './login-routes.ts';
import { oidcRoutes } from './oidc-routes.ts';
import { tokenRoutes } from './token-routes.ts';

/** The routes of logins, tokens and the audit log; `oidc` is null where no issuer is configured. */
export function accessRoutes(ports: AccessPorts, oidc: OidcLogin | null): readonly ApiRoute[] {
  const desk = new LoginDesk(ports);
  return [
    ...loginRoutes(ports, desk),
    ...oidcRoutes(ports, desk, oidc),
    ...tokenRoutes(ports),
    ...auditRoutes(ports),
  ];
}
