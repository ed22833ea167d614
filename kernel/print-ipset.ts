// The sets of the iptables form: their names and the text for `ipset restore`, which makes what is missing, replaces
// the lists, and leaves live elements and counts alone.

import { SallyportError } from '../flow/errors.ts';
import { ends } from './print-nft-counts.ts';
import type { Family, KernelConfig, RuleSet } from './rule-model.ts';

const families: readonly Family[] = [4, 6];
const maxName = 31;

/** Name of a set of one gateway and family. @throws SallyportError kernel when it would be too long for ipset */
export function liveSetName(table: string, name: string, family: Family): string {
  return checkLength(`${table}-${name}${family}`, maxName);
}

/** Sets whose elements change between plans or count packets, with their options. */
function keptSets(config: KernelConfig): (readonly [name: string, kind: string])[] {
  return [
    ['quarantine', 'hash:ip FAMILY timeout 0'],
    ['bound', 'hash:ip,port,ip FAMILY timeout 300 maxelem 262144'],
    ...Array.from({ length: config.workers }, (_, n) => [`pin${n}-`, 'hash:ip FAMILY'] as const),
    // The second of each pair is at rest, to be read.
    ...ends.flatMap((end) => [
      ...['seen', 'rest'].map(
        (name) => [`${name}-${end}`, 'hash:ip,port,ip FAMILY counters maxelem 65536'] as const,
      ),
      ...['over', 'orest'].map(
        (name) => [`${name}-${end}`, 'hash:ip FAMILY counters maxelem 16384'] as const,
      ),
    ]),
  ];
}

/** For `ipset restore`; applied before the rules that name the sets. */
export function printIpset({ config, lists }: RuleSet): string {
  const lines = families.flatMap((family) => {
    const inet = `family ${family === 4 ? 'inet' : 'inet6'}`;
    const kept = keptSets(config).map(
      ([name, kind]) =>
        `create -exist ${liveSetName(config.table, name, family)} ${kind.replace('FAMILY', inet)}`,
    );
    const filled = (['never', 'blocklist'] as const).flatMap((list) => {
      const name = liveSetName(config.table, list, family);
      const next = checkLength(`${name}-new`, maxName);
      const options = `hash:net ${inet} maxelem 262144`;
      // Filled aside and swapped, so that the list is never empty while it is loaded.
      return [
        `create -exist ${name} ${options}`,
        `create -exist ${next} ${options}`,
        `flush ${next}`,
        ...lists[list][family].flatMap(withoutZeroPrefix).map((range) => `add -exist ${next} ${range}`),
        `swap ${next} ${name}`,
        `destroy ${next}`,
      ];
    });
    return [...kept, ...filled];
  });
  return `${lines.join('\n')}\n`;
}

/** Names of all sets of a gateway, for removal and for comparison. */
export function ipsetNames(config: KernelConfig): string[] {
  const names = [...keptSets(config).map(([name]) => name), 'never', 'blocklist'];
  return names.flatMap((name) => families.map((family) => liveSetName(config.table, name, family)));
}

function withoutZeroPrefix(range: string): string[] {
  if (range === '0.0.0.0/0') return ['0.0.0.0/1', '128.0.0.0/1'];
  return range === '::/0' ? ['::/1', '8000::/1'] : [range];
}

function checkLength(name: string, limit: number): string {
  if (name.length <= limit) return name;
  throw new SallyportError('kernel', `${name} is too long for ipset; choose a shorter kernel.table`);
}
