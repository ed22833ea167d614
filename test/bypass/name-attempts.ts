// Ways past a name: literal addresses in every spelling, hosts that two parsers read differently, names that lead
// to where they may not.

import type { Bypass } from './bypass.ts';
import { labAddresses } from '../lab/origins.ts';

export const nameAttempts: readonly Bypass[] = [
  {
    id: 'name-literal-v4',
    run: (lab, { token }) => lab.curl(['-m', '4', `http://${labAddresses.other4}/${token}`]),
    arrived: (lab, { token }) => lab.origins.web.arrived.some(({ target }) => target.includes(token)),
    recorded: (record, { token }) =>
      record.http?.path === `/${token}` || record.destination.address === labAddresses.other4,
  },
];
