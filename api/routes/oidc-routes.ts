// The two routes of a login by an OIDC issuer: there, and back.

import { clearedOidcCookie, type OidcLogin } from '../auth/oidc/oidc-login.ts';
import type { AccessPorts } from '../auth/register-access.ts';
import { ProblemError } from '../problem.ts';
import type { ApiRoute, Call } from './api-route.ts';
import { actorOf, type LoginDesk } from './login-routes.ts';

const open = { method: 'GET', role: null, owners: 'none', rate: 'login' } as const;
const tag = 'access';
// A page of our own, from which the browser goes on: it would not send a SameSite=Strict cookie where another site led it.
const page =
  '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>Sallyport</title>' +
  '<p>You are logged in. <a href="/">Go on</a></p>';

/** The routes of logins by an issuer; without one they answer `not-supported`. */
export function oidcRoutes(ports: AccessPorts, desk: LoginDesk, oidc: OidcLogin | null): readonly ApiRoute[] {
  return [
    {
      rule: { ...open, path: '/v1/login/oidc', audited: false },
      id: 'logInByOidc',
      summary: 'Sends the browser to the OIDC issuer.',
      tag,
      stream: 'text/html',
      handle: async ({ reply }) => {
        const { location, setCookie } = await reached(ports, () => required(oidc).begin());
        return reply.code(302).headers({ location, 'set-cookie': setCookie }).send('');
      },
    },
    {
      rule: { ...open, path: '/v1/login/oidc/callback', audited: true, reason: 'login' },
      id: 'finishLoginByOidc',
      summary: 'Where the OIDC issuer sends the browser back to.',
      tag,
      isQueryOpen: true,
      stream: 'text/html',
      handle: (call) => finish(ports, desk, required(oidc), call),
    },
  ];
}

async function finish(
  ports: AccessPorts,
  desk: LoginDesk,
  oidc: OidcLogin,
  { request, reply }: Call,
): Promise<unknown> {
  // Read here: issuers add parameters of their own.
  const query = new URL(request.raw.url ?? '/', 'http://localhost').searchParams;
  reply.header('set-cookie', clearedOidcCookie);
  const answer = await reached(ports, () => oidc.finish(query, request.headers.cookie));
  if ('problem' in answer) {
    ports.log.error({ problem: answer.problem }, 'a login by OIDC was refused');
    throw new ProblemError('login-refused');
  }
  await desk.logIn(actorOf(`oidc:${answer.name}`, answer.grant), request, reply);
  return reply
    .header('content-type', 'text/html; charset=utf-8')
    .header('referrer-policy', 'no-referrer')
    .send(page);
}

function required(oidc: OidcLogin | null): OidcLogin {
  if (oidc === null) throw new ProblemError('not-supported');
  return oidc;
}

/** @throws ProblemError login-away where the issuer is not reached or refuses */
async function reached<T>(ports: AccessPorts, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    ports.log.error({ err: error }, 'the OIDC issuer cannot be asked');
    throw new ProblemError('login-away');
  }
}
