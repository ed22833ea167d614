// What the keeper does for whom.

import t from 'tap';
import { frameTypes, type FrameType } from '../../flow/channel.ts';
import { answerRequest, type RequestPorts } from '../../kernel/keeper-requests.ts';

const side = { mode: 'block', allow: [], block: [] };
const binding = { runner: '10.0.0.2', address: '192.0.2.1', protocol: 'tcp', port: 22, ttlMs: 1000 };
const payloads: Partial<Record<FrameType, unknown>> = {
  bind: [binding],
  unbind: [binding],
  assign: { host: 'db.example.com', runner: '10.0.0.2' },
  whose: { address: '10.77.128.1' },
  cut: { runner: '10.0.0.2' },
  quarantine: { runner: '10.0.0.2', durationMs: 0 },
  review: { runners: ['10.0.0.2', 'fd77::2'] },
  plan: { revision: '', interceptedPorts: [], fleet: side, runners: {}, blocklist: [] },
};

t.test(
  'a worker may neither cut a runner off nor lift a quarantine, and nobody sends what is ours',
  async (t) => {
    const done: string[] = [];
    const ports: RequestPorts = {
      sign: () => Buffer.from('signature'),
      bind: () => void done.push('bind'),
      unbind: () => void done.push('unbind'),
      assign: () => {
        done.push('assign');
        return { v4: '10.77.128.1', v6: null };
      },
      whose: () => (done.push('whose') > 0 ? 'db.example.com' : null),
      cut: () => void done.push('cut'),
      quarantine: () => void done.push('quarantine'),
      update: () => void done.push('plan'),
      review: () => void done.push('review'),
      upgrade: async () => void done.push('upgrade'),
    };
    const allowed = {
      worker: ['sign', 'bind', 'unbind', 'assign', 'whose'],
      control: ['unbind', 'cut', 'quarantine', 'plan', 'review', 'upgrade'],
    };
    for (const from of ['worker', 'control'] as const) {
      // Object.keys widens the names of the table.
      for (const type of Object.keys(frameTypes) as FrameType[]) {
        const frame = { id: 1, type, payload: Buffer.from(JSON.stringify(payloads[type] ?? {})) };
        done.length = 0;
        if (allowed[from].includes(type)) {
          const answer = Buffer.from(await answerRequest(frame, from, ports)).toString();
          const wanted: Partial<Record<FrameType, string>> = {
            sign: 'signature',
            assign: '{"v4":"10.77.128.1","v6":null}',
            whose: 'db.example.com',
          };
          t.same([answer, done], [wanted[type] ?? '', type === 'sign' ? [] : [type]], `${from} ${type}`);
        } else {
          t.throws(() => answerRequest(frame, from, ports), { message: `a ${from} may not ask for ${type}` });
          t.same(done, []);
        }
      }
    }
  },
);
