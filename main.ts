// The command line: one table of commands, each in the folder that owns what it does.
// A command answers with an exit code from flow/errors (docs/reference/commands.md).

import { exitCodes, formatProblem, InvalidInputError, SallyportError } from './flow/errors.ts';
import type { PlatformServer } from './flow/platform-server.ts';
import {
  askGateway,
  defaultConfigPath,
  packageVersion,
  runServe,
  runUpgrade,
  startGateway,
} from './serve.ts';

interface Io {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}
type Run = (args: readonly string[], io: Io) => Promise<number>;
interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly load: () => Promise<Run>;
}

const commands: readonly Command[] = [
  {
    name: 'serve',
    usage: '[--config FILE]',
    summary: 'run the gateway in the foreground',
    load: async () => runServe,
  },
  {
    name: 'upgrade',
    usage: '[--config FILE] [--state DIR] [--reason TEXT]',
    summary: 'replace the workers of a running gateway by those of the installed version',
    load: async () => runUpgrade,
  },
  {
    name: 'run',
    usage: '[--policy F] [--mode audit|block] [OPTIONS] -- COMMAND',
    summary: 'run one command behind a gateway of its own',
    load: async () => {
      const { runRun } = await import('./netns/run-command.ts');
      return (args, io) => runRun(args, io, startGateway);
    },
  },
  {
    name: 'demo',
    usage: '[--json] [-- COMMAND]',
    summary: 'show a sample job behind the gateway (npm start)',
    load: async () => {
      const { runDemo } = await import('./netns/demo-command.ts');
      return (args, io) => runDemo(args, io, startGateway);
    },
  },
  {
    name: 'check',
    usage: 'POLICY [--config FILE] [--expand] [--strict]',
    summary: 'check a policy and list every problem',
    load: async () => {
      const [{ checkPolicy }, { readConfig }, { loadOptionsOf }, { DeclaredJobs }, { tellFeed }] =
        await Promise.all([
          import('./policy/check-command.ts'),
          import('./config.ts'),
          import('./load-options.ts'),
          import('./jobs/declared.ts'),
          import('./feed-status.ts'),
        ]);
      return (args, io) =>
        checkPolicy(
          args,
          io,
          (path) => {
            const config = readConfig(path);
            return loadOptionsOf(config, new DeclaredJobs(config.jobs));
          },
          (path) => tellFeed(readConfig(path), Date.now()),
        );
    },
  },
  {
    name: 'explain',
    usage: 'POLICY URL [--method M] | POLICY --batch FILE.jsonl',
    summary: 'say how a policy decides a request, and why',
    load: async () => {
      const [{ explainPolicy }, { readCredential }, { createInterpreter }, { serversOf }] = await Promise.all(
        [
          import('./policy/explain-command.ts'),
          import('./platform/read-credential.ts'),
          import('./interpreters.ts'),
          import('./flow/platform-server.ts'),
        ],
      );
      const interpreter = (servers: readonly PlatformServer[]) => createInterpreter(servers, []);
      return (args, io) => explainPolicy(args, io, { serversOf, interpreter, credential: readCredential });
    },
  },
  {
    name: 'permissions',
    usage: '[--repo R] [--workflow W] [--granted P] [--segments DIR]',
    summary: 'the smallest permissions: block of each job, from what its runs did',
    load: async () => (await import('./advise/permissions-command.ts')).runPermissions,
  },
  {
    name: 'rules',
    usage: 'nftables|iptables [--mode M] [--config FILE] [--apply|--remove]',
    summary: 'print or apply the kernel rule set',
    load: async () => {
      const [
        { runRulesCommand },
        { readConfig },
        { kernelConfigOf },
        { DeclaredJobs },
        load,
        { networkPlan },
      ] = await Promise.all([
        import('./kernel/rules-command.ts'),
        import('./config.ts'),
        import('./keeper-rules.ts'),
        import('./jobs/declared.ts'),
        import('./policy/load.ts'),
        import('./policy/network-plan.ts'),
      ]);
      return (args, io) =>
        runRulesCommand(args, io, (path) => {
          const config = readConfig(path ?? defaultConfigPath, (odd) =>
            process.stderr.write(`${formatProblem(odd)}\n`),
          );
          const { worker, runner, operator } = config.listen;
          const workers = Array.from({ length: config.workers }, (_, index) => worker + index);
          const ports = { workers, runner, operator: Number(operator.split(':').at(-1)) };
          const { policy } = load.loadPolicy(load.readPolicyBundle(config.policy));
          const jobs = new DeclaredJobs(config.jobs).ranges();
          return { config: kernelConfigOf(config, ports), plan: networkPlan(policy, jobs) };
        });
    },
  },
  {
    name: 'proxy-user',
    usage: 'NAME < SECRET',
    summary: 'hash a secret, read from standard input, for a user of the explicit proxy',
    load: async () => (await import('./proxy/proxy-user-command.ts')).runProxyUser,
  },
  {
    name: 'token',
    usage: 'create --role R --label TEXT | list | revoke ID',
    summary: 'make, list and revoke tokens for the operator’s API',
    load: async () => {
      const { runToken } = await import('./api/token-command.ts');
      return (args, io) => runToken(args, io, askGateway);
    },
  },
  {
    name: 'user',
    usage: 'NAME [--role R] < PASSWORD',
    summary: 'hash a password for somebody who logs in to the operator’s side',
    load: async () => (await import('./api/user-command.ts')).runUser,
  },
  {
    name: 'backup',
    usage: 'FOLDER [--config FILE]',
    summary: 'copy the embedded store, while the gateway runs',
    load: async () => {
      const [{ runBackup }, { storeCommandPorts }] = await Promise.all([
        import('./store/backup-command.ts'),
        import('./store-commands.ts'),
      ]);
      return (args, io) => runBackup(args, io, storeCommandPorts());
    },
  },
  {
    name: 'restore',
    usage: 'FOLDER [--config FILE]',
    summary: 'make the embedded store of such a copy, where there is none',
    load: async () => {
      const [{ runRestore }, { storeCommandPorts }] = await Promise.all([
        import('./store/backup-command.ts'),
        import('./store-commands.ts'),
      ]);
      return (args, io) => runRestore(args, io, storeCommandPorts());
    },
  },
  {
    name: 'export',
    usage: '[--from TIME] [--to TIME] [--format jsonl|csv] [--kind K]',
    summary: 'print the flows of a time range',
    load: async () => {
      const [{ runExport }, { openForExport }] = await Promise.all([
        import('./api/export-command.ts'),
        import('./store-commands.ts'),
      ]);
      return (args, io) => runExport(args, io, openForExport);
    },
  },
  {
    name: 'ca',
    usage: 'show|export [--format pem|der|p12]',
    summary: 'show or export the authority that runners must trust',
    load: async () => (await import('./certs/ca-command.ts')).runCaCommand,
  },
  {
    name: 'doctor',
    usage: '[--json]',
    summary: 'try the escapes and say what held',
    load: async () => {
      const { runDoctor } = await import('./doctor/doctor-command.ts');
      return (args, io) => runDoctor(args, io, startGateway);
    },
  },
];

function usage(): string {
  const rows = commands.map(({ name, usage, summary }) => `  ${`${name} ${usage}`.padEnd(66)} ${summary}\n`);
  return (
    `usage: sallyport COMMAND [OPTIONS]\n\n${rows.join('')}\n` +
    `Every command has --help and, where it prints results, --json.\n` +
    `Exit codes: 0 done, 1 the answer is no, 2 invalid input, 69 a right or program is missing, 70 our own error,\n77 blocked (run --mode block).\n`
  );
}

async function main(): Promise<number> {
  const [name, ...args] = process.argv.slice(2);
  if (name === '--version') {
    process.stdout.write(`sallyport ${packageVersion()} (node ${process.version})\n`);
    return exitCodes.ok;
  }
  const isHelp = name === undefined || name === 'help' || name === '--help' || name === '-h';
  const command = commands.find((candidate) => candidate.name === name);
  if (isHelp || command === undefined) {
    const problem = isHelp ? '' : `sallyport: there is no command "${name}"\n\n`;
    (name === undefined || !isHelp ? process.stderr : process.stdout).write(problem + usage());
    return name !== undefined && isHelp ? exitCodes.ok : exitCodes.usage;
  }
  const run = await command.load();
  return run(args, { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr });
}

/** Whatever parseArgs refuses is the caller's mistake; its message names the option. */
function asUsage(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!(error instanceof Error) || !code.startsWith('ERR_PARSE_ARGS')) return error;
  return new SallyportError('usage', `${error.message}; --help lists the options`, error);
}

function codeOf(error: unknown): number {
  if (error instanceof InvalidInputError) return exitCodes.usage;
  if (!(error instanceof SallyportError)) return exitCodes.software;
  if (error.code === 'usage' || error.code === 'not-supported' || error.code === 'config-invalid')
    return exitCodes.usage;
  const isMissing =
    error.code === 'missing-privilege' || error.code === 'missing-program' || error.code === 'kernel';
  return isMissing ? exitCodes.unavailable : exitCodes.software;
}

try {
  process.exitCode = await main();
} catch (caught) {
  const error = asUsage(caught);
  const isOurs = error instanceof SallyportError;
  const text = isOurs
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`sallyport: ${text}\n`);
  process.exitCode = codeOf(error);
}
