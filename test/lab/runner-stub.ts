// A stub of the runner's way to its actions: resolves them, fetches and unpacks their archives, and does the same for
// what composite ones use. Run as a program: `run-service|ghes URL owner/repo@ref…`; it fails as the runner does.

import { gunzipSync } from 'node:zlib';

interface Resolved {
  readonly name: string;
  readonly ref: string;
  readonly commit: string;
  readonly url: string;
  readonly token: string;
}

const [form = '', service = '', ...wanted] = process.argv.slice(2);
const isService = form === 'run-service';

/** @throws Error with what the runner prints */
async function resolve(actions: readonly string[]): Promise<Resolved[]> {
  const asked = actions.map((action) => {
    const [name = '', ref = ''] = action.split('@');
    const [owner = '', repository = '', ...path] = name.split('/');
    const [nameWithOwner, below] = [`${owner}/${repository}`, path.join('/')];
    return isService
      ? { action: nameWithOwner, version: ref, path: below }
      : { nameWithOwner, ref, path: below };
  });
  const response = await fetch(service, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      authorization: 'Bearer launch',
    },
    body: JSON.stringify({ actions: asked }),
  });
  const answer = (await response.json()) as Record<string, never>; // each of its forms is read below
  if (response.status !== 200) throw new Error(readProblem(response, answer));
  return Object.values<Record<string, string>>(answer['actions'] ?? {}).map((entry) => ({
    name: entry['name'] ?? entry['nameWithOwner'] ?? '',
    ref: entry['version'] ?? entry['ref'] ?? '',
    commit: entry['resolved_sha'] ?? entry['resolvedSha'] ?? '',
    url: entry['tar_url'] ?? entry['tarballUrl'] ?? '',
    token: (entry['authentication'] as unknown as { token: string }).token,
  }));
}

function readProblem(response: Response, answer: Record<string, unknown>): string {
  if (isService && response.status === 422) {
    const errors = answer['errors'] as Record<string, { message: string }>; // as the run service writes it
    return Object.values(errors)
      .map(({ message }) => message)
      .join('. ');
  }
  return typeof answer['typeKey'] === 'string'
    ? `${answer['typeKey']}: ${String(answer['message'])}`
    : response.statusText;
}

async function download({ name, ref, commit, url, token }: Resolved): Promise<string> {
  const authorization = `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
  const response = await fetch(url, { headers: { authorization } });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`Failed to download archive '${url}': ${response.status}`);
  process.stdout.write(`Download action repository '${name}@${ref}' (SHA:${commit})\n`);
  return gunzipSync(body).toString('latin1');
}

async function prepare(actions: readonly string[], depth: number): Promise<void> {
  if (actions.length === 0 || depth > 9) return;
  for (const resolved of await resolve(actions)) {
    const archive = await download(resolved);
    await prepare(
      [...archive.matchAll(/uses: ([\w./@-]+)/g)].map((match) => match[1] ?? ''),
      depth + 1,
    );
  }
}

try {
  process.stdout.write('Getting action download info\n');
  await prepare(wanted, 0);
} catch (error) {
  process.stdout.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
