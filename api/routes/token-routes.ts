// Tokens of programs: made, listed and revoked by whoever is admin of everything.

import { SallyportError } from '../../flow/errors.ts';
import { askedTokenFields, issueToken, listTokens, type AskedToken } from '../auth/issue-token.ts';
import type { AccessPorts } from '../auth/register-access.ts';
import { ProblemError } from '../problem.ts';
import { objectOf, orNull, type ApiRoute, type Schema } from './api-route.ts';

const admin = { role: 'admin', owners: 'everything' } as const;
const tag = 'access';
const time = (description: string): Schema => ({ type: 'string', format: 'date-time', description });
const reason = { type: 'string', minLength: 1, maxLength: 500, description: 'Why, for the audit log.' };

const tokenFields = {
  id: { type: 'string', description: 'Names it in lists and audit rows.' },
  label: askedTokenFields.label,
  role: askedTokenFields.role,
  owners: orNull({ ...askedTokenFields.owners, description: 'Null: all.' }),
  state: { type: 'string', enum: ['valid', 'expired', 'revoked'], description: 'Whether it is of use now.' },
  created: time('When it was made.'),
  expires: time('When it ends.'),
  lastUsed: orNull(time('When it was last used, give or take a minute.')),
  revoked: orNull(time('When it was revoked.')),
};
const tokenSchema = objectOf(tokenFields, 'A token, without what gets in by it.');

/** The routes of tokens. */
export function tokenRoutes({ store, settings, clock }: AccessPorts): readonly ApiRoute[] {
  return [
    {
      rule: { method: 'GET', path: '/v1/tokens', ...admin, audited: false, rate: 'read' },
      id: 'listTokens',
      summary: 'All tokens, the newest first.',
      tag,
      answer: objectOf({ items: { type: 'array', items: tokenSchema } }),
      handle: async () => ({ items: await orAway(listTokens(store, clock())) }),
    },
    {
      rule: { method: 'POST', path: '/v1/tokens', ...admin, audited: true, rate: 'write' },
      id: 'createToken',
      summary: 'Makes a token; the answer is the only time that it is shown.',
      tag,
      body: {
        ...objectOf({ ...askedTokenFields, reason }),
        required: ['label', 'role', 'lifetimeSeconds'],
      },
      status: 201,
      answer: objectOf({ token: { type: 'string', description: 'The token.' }, ...tokenFields }),
      handle: async ({ body, request }) => {
        // as: the body was checked by the schema above.
        const { text, token } = await orAway(issueToken(store, settings, body as AskedToken, clock()));
        request.auditTarget = `token:${token.id}`;
        return { token: text, ...token };
      },
    },
    {
      rule: { method: 'POST', path: '/v1/tokens/:id/revoke', ...admin, audited: true, rate: 'write' },
      id: 'revokeToken',
      summary: 'Revokes a token, at once on this gateway and within 30 s on others of the same store.',
      tag,
      params: { id: { type: 'string', pattern: '^[0-9a-f]{16}$', description: 'Its identifier.' } },
      body: { ...objectOf({ reason }), required: [] },
      answer: null,
      handle: async ({ params }) => {
        if (!(await orAway(store.revokeToken(String(params['id']), clock()))))
          throw new ProblemError('not-found');
      },
    },
  ];
}

/** What the store does not answer is a problem of its own. @throws ProblemError */
export async function orAway<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    if (error instanceof SallyportError && error.code === 'usage')
      throw new ProblemError('refused', error.message);
    throw new ProblemError('store-away');
  }
}
