// `rules nftables|iptables`: prints the rule set for a machine whose keeper does not hold it, and on request
// installs or removes it by the stock programs. Run by hand, as root; the keeper never comes here.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import { buildRules } from './build-rules.ts';
import { applyIptables, removeIptables } from './iptables-tables.ts';
import { printIptables, type IptablesText } from './print-iptables.ts';
import { printGuard, printNft } from './print-nft.ts';
import type { KernelConfig, KernelMode } from './rule-model.ts';
import { VirtualRoutes } from './virtual-routes.ts';

export interface RulesIo {
  readonly stdout: { write(text: string): unknown };
}
/** Reads configuration and policy: the path of `--config`, or undefined for the default one. */
export type LoadRulesInput = (config: string | undefined) => {
  readonly config: KernelConfig;
  readonly plan: NetworkPlan;
};

const usage = `usage: sallyport rules nftables|iptables [--mode gateway|steer|sidecar] [--config FILE] [--apply|--remove] [--json]

Prints the kernel rule set that a gateway of this configuration holds, as its policy is now.
  --mode     another mode than that of the configuration
  --config   sallyport.yaml (default /etc/sallyport/sallyport.yaml)
  --apply    install it, in place of what a gateway left behind
  --remove   take it away, which opens the door
  --json     nftables: {form, rules, guard}; iptables: {form, ipset, iptables, ip6tables}; else {form, done}
`;

/** The command; answers with an exit code. @throws SallyportError usage, missing-program or kernel */
export async function runRulesCommand(
  args: readonly string[],
  io: RulesIo,
  load: LoadRulesInput,
): Promise<number> {
  const { values, positionals } = readArguments(args);
  const form = positionals[0];
  if (values.help === true) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  if ((form !== 'nftables' && form !== 'iptables') || positionals.length > 1)
    throw new SallyportError('usage', `the form is nftables or iptables\n${usage}`);
  if (values.apply === true && values.remove === true) {
    throw new SallyportError('usage', '--apply and --remove exclude each other');
  }
  const { config, plan } = load(values.config);
  const ruleSet = buildRules({ ...config, mode: readMode(values.mode) ?? config.mode }, plan);
  const action = values.apply === true ? 'apply' : values.remove === true ? 'remove' : 'print';
  const isJson = values.json === true;
  if (form === 'nftables') {
    const texts = { rules: poolLines(ruleSet.config) + printNft(ruleSet), guard: printGuard(ruleSet.config) };
    if (action === 'print') io.stdout.write(isJson ? json(form, texts) : texts.guard + texts.rules);
    else if (action === 'apply') feed('nft', ['-f'], texts.guard + texts.rules);
    else feed('nft', ['-f'], removal(ruleSet.config.table));
  } else {
    const text = printIptables(ruleSet);
    const { ipset, iptables, ip6tables } = text;
    if (action === 'print')
      io.stdout.write(
        isJson ? json(form, { ipset, iptables, ip6tables }) : poolLines(ruleSet.config) + iptablesPage(text),
      );
    else if (action === 'apply') applyIptables(text);
    else removeIptables(text);
  }
  if (action === 'remove') removePool(ruleSet.config);
  if (action !== 'print')
    io.stdout.write(isJson ? json(form, { done: action }) : `${form}: ${action} done\n`);
  return exitCodes.ok;
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        mode: { type: 'string' },
        config: { type: 'string' },
        apply: { type: 'boolean' },
        remove: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new SallyportError('usage', error instanceof Error ? error.message : String(error), error);
  }
}

function readMode(text: string | undefined): KernelMode | null {
  if (text === undefined) return null;
  if (text === 'gateway' || text === 'steer' || text === 'sidecar') return text;
  throw new SallyportError('usage', `--mode ${text} is not gateway, steer or sidecar`);
}

function json(form: string, value: object): string {
  return `${JSON.stringify({ form, ...value })}\n`;
}

// `add` first: deleting a table that is missing would fail.
function removal(table: string): string {
  const names = [table, `${table}_guard`];
  return names.map((name) => `add table inet ${name}\ndelete table inet ${name}\n`).join('');
}

// What leads packets for virtual addresses here at all is no rule: the keeper does it by itself, for others it is said.
function poolLines({ mode, virtualPool, runnerInterfaces }: KernelConfig): string {
  if (mode !== 'steer') return '';
  return virtualPool
    .map((range) =>
      range.includes(':')
        ? `# ip addr add ADDRESS/128 dev ${runnerInterfaces[0] ?? 'INTERFACE'} nodad preferred_lft 0 (each of ${range} that is given away)\n`
        : `# ip route add local ${range} dev lo\n`,
    )
    .join('');
}

// What a killed keeper left of its virtual addresses.
function removePool({ virtualPool, runnerInterfaces }: KernelConfig): void {
  if (virtualPool.length > 0) new VirtualRoutes(virtualPool, runnerInterfaces).close({ remove: true });
}

function iptablesPage(text: IptablesText): string {
  return (
    `# ipset restore\n${text.ipset}\n# iptables-restore --noflush\n${text.iptables}\n` +
    `# ip6tables-restore --noflush\n${text.ip6tables}`
  );
}

// Node's child stdin is a socket pair, which nft cannot open as /dev/stdin: the text goes through a file.
function feed(program: string, args: readonly string[], text: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-rules-'));
  try {
    const file = join(folder, 'rules');
    writeFileSync(file, text, { mode: 0o600 });
    const result = spawnSync(program, [...args, file], { encoding: 'utf8' });
    if (result.error !== undefined) {
      throw new SallyportError(
        'missing-program',
        `${program} could not be started; install it`,
        result.error,
      );
    }
    if (result.status !== 0)
      throw new SallyportError('kernel', `${program}: ${result.stderr.slice(0, 2000)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
