import { createHash } from 'node:crypto';
import { connect as connectHttp2, constants, createSecureServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import {
  asRequest,
  enterNamespace,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
  holdsBodies,
} from './rig.ts';

// Node's client and server, with the relay between them and without: the same plan of streams, told by the seed.
enterNamespace();
const authority = makeAuthority();
const rounds = Math.max(2, Math.min(20, Math.round(Number(process.env['FUZZ_CASES'] ?? 2_000) / 1_000)));
const streamsPerRound = 80;
const atATime = 16;

/** A generator of numbers that a seed repeats (xorshift). */
function randomOf(seed: number): (below: number) => number {
  let state = (seed | 1) >>> 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state % below;
  };
}

interface Plan {
  readonly number: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  /** Bytes of the body, in how many pieces; -1: none. */
  readonly body: number;
  readonly pieces: number;
  readonly trailers: boolean;
  /** Given up by the client when its answer has begun. */
  readonly isReset: boolean;
}

/** A plan of streams; a blocked one is answered here, whatever it carries. */
function planOf(seed: number): Plan[] {
  const random = randomOf(seed * 104_729 + 11);
  const sizes = [0, 1, 100, 5_000, 16_384, 40_000, 150_000];
  return Array.from({ length: streamsPerRound }, (_, number) => {
    const isBlocked = random(6) === 0;
    const hasBody = random(2) === 0;
    const parameters = new URLSearchParams({
      bytes: String(sizes[random(sizes.length)]),
      pieces: String(1 + random(4)),
      status: String([200, 200, 201, 404, 500, 204][random(6)]),
      early: String(random(8) === 0 ? 1 : 0),
      trailers: String(random(3) === 0 ? 1 : 0),
    });
    const isReset = !isBlocked && random(12) === 0;
    const body = hasBody ? sizes[random(sizes.length)]! : -1;
    // Without a relay too, Node's server reads no more of a body once it has answered.
    if (body > 5_000) parameters.set('early', '0');
    if (isReset) parameters.set('bytes', '150000');
    return {
      number,
      path: `${isBlocked ? '/blocked' : hasBody && random(3) === 0 ? '/held' : '/open'}/${number}?${parameters.toString()}`,
      method: hasBody ? ['POST', 'PUT'][random(2)]! : ['GET', 'HEAD', 'DELETE'][random(3)]!,
      headers: {
        'x-number': String(number),
        [`x-some-${random(30)}`]: `value-${random(40)}`,
        ...(random(4) === 0 && { 'x-long': 'y'.repeat(random(3_000)) }),
        ...(random(4) === 0 && { cookie: `a=${random(9)}; b=${random(9)}` }),
      },
      body,
      pieces: 1 + random(3),
      trailers: hasBody && random(4) === 0,
      isReset,
    };
  });
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
const pieceOf = (seed: number, size: number) => Buffer.alloc(size, String(seed % 10));

let isDirect = true;
/** What the origin saw of each stream, by its number; of one that was reset only its head. */
let seen = new Map<string, unknown>();

function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const url = new URL(headers[':path'] ?? '', 'https://x');
  const parts: Buffer[] = [];
  let trailers: unknown = null;
  stream.on('error', () => {});
  stream.resume();
  stream.on('trailers', (fields) => (trailers = { ...fields }));
  const numberOf = String(headers['x-number']);
  const note = () =>
    seen.set(numberOf, {
      headers: { ...headers, ':authority': '' },
      body: digest(Buffer.concat(parts)),
      trailers,
    });
  // An answer that does not wait for the body may end the stream before all of the body was read.
  if (url.searchParams.get('early') === '1') {
    note();
    return respond(stream, url, numberOf);
  }
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => {
    note();
    respond(stream, url, numberOf);
  });
}

function respond(stream: ServerHttp2Stream, url: URL, numberOf: string): void {
  const size = Number(url.searchParams.get('bytes'));
  const pieces = Number(url.searchParams.get('pieces'));
  const waitForTrailers = url.searchParams.get('trailers') === '1';
  if (stream.destroyed) return;
  if (size === 100) stream.additionalHeaders({ ':status': 103, link: '</a>; rel=preload' });
  stream.respond(
    {
      ':status': Number(url.searchParams.get('status')),
      'x-answer': numberOf,
      'x-size': String(size),
      date: 'never',
    },
    { waitForTrailers },
  );
  if (waitForTrailers) stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': numberOf }));
  for (let piece = 0; piece < pieces; piece++) stream.write(pieceOf(piece, Math.floor(size / pieces)));
  stream.end();
}

const origin = createSecureServer({
  ...authority.filesFor('h2.test'),
  maxSessionMemory: 100,
  paddingStrategy: constants.PADDING_STRATEGY_MAX,
  settings: { enableConnectProtocol: true, headerTableSize: 1_000, initialWindowSize: 40_000 },
});
origin.on('stream', serve);
origin.on('sessionError', () => {});
await new Promise<void>((resolve) => origin.listen(443, serverAddress, resolve));
const rig = await makeRig(authority, 443, {
  http2: { start: startHttp2, answer: () => {} },
  // Some wait for their body, and are overtaken: numbers and tables of the two sides differ from then on.
  interpreter: holdsBodies((path) =>
    path.startsWith('/held') ? { maxBytes: 20_000, maxDecodedBytes: 20_000, maxRatio: 10 } : null,
  ),
});
rig.request = ({ path }) => asRequest(path.startsWith('/blocked') ? shut : open);

/** Runs one stream and answers what the client saw. */
function perform(client: ClientHttp2Session, plan: Plan): Promise<unknown> {
  const { path, method, headers, body, pieces, trailers, isReset } = plan;
  return new Promise((resolve) => {
    const stream = client.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: body < 0, waitForTrailers: trailers },
    );
    const parts: Buffer[] = [];
    const interim: unknown[] = [];
    let head: Record<string, unknown> = {};
    let last: unknown = null;
    let code: unknown = null;
    stream.on('headers', (fields) => interim.push({ ...fields }));
    stream.on('response', (fields) => {
      head = { ...fields };
      if (isReset) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('trailers', (fields) => (last = { ...fields }));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
    if (trailers)
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-request-trailer': String(plan.number) }));
    stream.on('close', () => {
      if (isReset) return resolve({ status: head[':status'] });
      resolve({
        head,
        interim,
        body: digest(Buffer.concat(parts)),
        trailers: last,
        code,
        rst: stream.rstCode,
      });
    });
    if (body < 0) return;
    for (let piece = 0; piece < pieces; piece++) stream.write(pieceOf(piece, Math.floor(body / pieces)));
    stream.end();
  });
}

async function runPlan(plans: readonly Plan[], port: number, host: string): Promise<unknown[]> {
  const client = connectHttp2('https://h2.test', {
    createConnection: () =>
      connectTls({ host, port, servername: 'h2.test', ca: authority.ca, ALPNProtocols: ['h2'] }),
    paddingStrategy: constants.PADDING_STRATEGY_MAX,
    settings: { headerTableSize: 2_000 },
  });
  let failure: unknown = null;
  client.on('error', (error) => (failure = error));
  const results: unknown[] = [];
  const waiting = [...plans];
  const next = async (): Promise<void> => {
    for (let plan = waiting.shift(); plan !== undefined; plan = waiting.shift()) {
      results[plan.number] = await perform(client, plan);
      // Tables of other sizes, in the middle of things.
      if (plan.number % 29 === 7) client.settings({ headerTableSize: [0, 200, 4_096][plan.number % 3]! });
    }
  };
  await Promise.all(Array.from({ length: atATime }, next));
  // An early answer is over before its request is.
  const expected = plans.filter(
    ({ isReset, path }) => !isReset && (isDirect || !path.startsWith('/blocked')),
  );
  await rig.until(() => expected.every(({ number }) => seen.has(String(number))) || client.destroyed);
  client.destroy();
  if (failure !== null) results.push(failure);
  return results;
}

t.test('what client and origin see through the relay equals what they see without it', async (t) => {
  let compared = 0;
  let blocked = 0;
  for (let seed = 1; seed <= rounds; seed++) {
    const plans = planOf(seed);
    const isBlocked = ({ path }: Plan) => path.startsWith('/blocked');
    seen = new Map();
    isDirect = true;
    const direct = await runPlan(plans, 443, serverAddress);
    const seenDirect = seen;
    isDirect = false;
    seen = new Map();
    const relayed = await runPlan(plans, rig.port, '127.0.0.1');
    for (const plan of plans) {
      const title = `seed ${seed}, stream ${plan.number}`;
      const [one, two] = [relayed[plan.number], direct[plan.number]];
      const origin = [seen.get(String(plan.number)), seenDirect.get(String(plan.number))];
      if (isBlocked(plan)) {
        blocked++;
        const { head, code } = one as { head: Record<string, unknown>; code: unknown };
        if (head[':status'] !== 403 || code !== null || origin[0] !== undefined)
          t.strictSame([one, origin[0]], null, title);
        continue;
      }
      compared++;
      if (JSON.stringify(one) !== JSON.stringify(two)) t.strictSame(one, two, `${title}: client`);
      if (!plan.isReset && JSON.stringify(origin[0]) !== JSON.stringify(origin[1])) {
        t.strictSame(origin[0], origin[1], `${title}: origin`);
      }
    }
    t.equal(relayed.length, streamsPerRound, `seed ${seed}: the connection lived`);
  }
  t.ok(compared > rounds * 50 && blocked > rounds * 5, `${compared} compared, ${blocked} blocked`);
  await rig.until(() => rig.closed('request').length === rounds * streamsPerRound);
  const statuses = rig.closed('request').filter(({ ended }) => ended === null).length;
  t.ok(statuses >= compared * 0.8, `${statuses} whole`);
  t.strictSame(rig.errors, []);
});

t.teardown(async () => {
  origin.close();
  await rig.close();
});
