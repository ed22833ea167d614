// A policy of 10,000 rules with a blocklist of 50,000 hosts and 10,000 addresses, through `check` and through a gateway
// that starts with it: two seconds of a processor, 300 MB for each process, and in force in the kernel and in DNS.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Lab } from '../lab/lab.ts';
import { askName, knock } from '../lab/packets.ts';

const count = (length: number, text: (i: number) => string): string =>
  Array.from({ length }, (_, i) => text(i)).join('');
const policy = `version: 1
mode: block
http:
${count(7000, (i) => `  - {id: r${i}, host: "${i % 3 ? '' : '*.'}h${i}.a${i % 97}.example", methods: [GET, POST]}\n`)}network:
${count(3000, (i) => `  - {id: n${i}, to: 20.${i % 250}.${Math.floor(i / 250)}.0/24, port: ${1000 + (i % 50)}}\n`)}blocklist: {id: big, files: list.yaml}
`;
const list = `hosts:
${count(50_000, (i) => `  - evil${i}.host${i % 1000}.example\n`)}addresses:
${count(10_000, (i) => `  - 20.${i % 250}.${Math.floor(i / 250)}.7\n`)}`;
const maxMegabytes = 300;
const maxCpuSeconds = 2;

/** Highest resident size in MB and CPU seconds of a running process (proc(5)). */
function usageOf(pid: string): { readonly megabytes: number; readonly cpuSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return {
    megabytes: Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024,
    // User and system time, in hundredths of a second.
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

/** The same of a gateway's processes, by the file that each runs. */
function usagesOf(pid: number): Map<string, ReturnType<typeof usageOf>> {
  const usages = new Map([['keeper', usageOf(String(pid))]]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const child of children) {
    const program = basename(readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0').at(-2) ?? '');
    usages.set(program, usageOf(child));
  }
  return usages;
}

t.test('10,000 rules and 60,000 entries of a blocklist', { timeout: 60_000 }, async (t) => {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  writeFileSync(join(lab.directory, 'list.yaml'), list);
  writeFileSync(join(lab.directory, 'large.yaml'), policy);

  await t.test('check reads them within the limits', (t) => {
    const program = `
      import { loadPolicy, readPolicyBundle } from ${JSON.stringify(join(import.meta.dirname, '../../policy/load.ts'))};
      const { policy } = loadPolicy(readPolicyBundle(process.argv[1]));
      const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
      console.log(JSON.stringify([policy.ruleCount, (userCPUTime + systemCPUTime) / 1e6, maxRSS / 1024]));`;
    const args = ['--input-type=module', '-e', program, join(lab.directory, 'large.yaml')];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: {} });
    // What the program above prints.
    const [rules, cpuSeconds, megabytes] = JSON.parse(stdout || '[]') as number[];
    t.equal(rules, 10_000, stderr);
    t.ok(cpuSeconds! < maxCpuSeconds, `${cpuSeconds} s of a processor`);
    t.ok(megabytes! < maxMegabytes, `${megabytes} MB`);
    t.end();
  });

  await t.test('a gateway starts with them within the limits', async (t) => {
    // What a start takes without them is not theirs.
    const small = await lab.startGateway('version: 1\nmode: block\n');
    await small.inForce();
    const startSeconds = new Map([...usagesOf(small.pid)].map(([name, usage]) => [name, usage.cpuSeconds]));
    await small.stop();
    const gateway = await lab.startGateway(policy);
    await gateway.inForce();
    const usages = [...usagesOf(gateway.pid)];
    t.same(usages.map(([name]) => name).toSorted(), ['control.ts', 'keeper', 'worker.ts']);
    for (const [name, { megabytes, cpuSeconds }] of usages) {
      t.ok(megabytes < maxMegabytes, `${name}: ${Math.round(megabytes)} MB`);
      const ofPolicy = cpuSeconds - (startSeconds.get(name) ?? 0);
      t.ok(ofPolicy < maxCpuSeconds, `${name}: ${ofPolicy} s of a processor, and ${cpuSeconds} s in all`);
    }
  });

  await t.test('the last of each kind is in force', async (t) => {
    const { namespace } = lab.runner();
    const ask = (name: string) => askName(namespace, lab.topology.gateway4, name, 'A');
    lab.origins.names.set('*.example', { a: ['93.184.216.34'] });
    t.equal((await ask('x.evil49999.host999.example'))?.rcode, 3, 'a listed host is NXDOMAIN');
    t.equal((await ask('h6998.a14.example'))?.answers, 1, 'an allowed one is answered');
    lab.capture.clear();
    // Rule 2999 opens 20.249.11.0/24, of which the list holds one address.
    await Promise.all(['20.249.11.8', '20.249.11.7'].map((address) => knock(namespace, address, 1049)));
    await sleep(2600);
    const arrived = (address: string) =>
      lab.capture.packets().some(({ destination }) => destination === address);
    t.same([arrived('20.249.11.8'), arrived('20.249.11.7')], [true, false]);
    for (const [address, decision] of [
      ['20.249.11.8', { verdict: 'allow', rule: 'n2999' }],
      ['20.249.11.7', { verdict: 'block', rule: 'list.yaml', reason: 'blocklist' }],
    ] as const) {
      const record = await lab.gateway.findRecord(({ destination }) => destination.address === address);
      t.match(record?.decision, decision, address);
    }
  });
});
