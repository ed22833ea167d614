// The names that replays of incidents are told with, and others in their place: what stops an attack must not be that
// its names are known.

/** Hosts of attackers, or of whom they pretend to be. */
const hosts = [
  'webhook.site',
  'bun.sh',
  'scan.aquasecurtiy.org',
  'filev2.getsession.org',
  'sfrclak.com',
  'uploader.codecov-mirror.io',
  'git-tanstack.com',
  'attacker.example.com',
] as const;
/** Owners, repositories, packages. */
const words = [
  'acme',
  'storefront',
  'handbook',
  'palette',
  'tj-actions',
  'changed-files',
  'octo-dev',
  'some-vendor',
  'setup-tool',
  'Shai-Hulud',
  's1ngularity-repository',
  'flatmap-stream',
  'lodahs',
  'crossenv-fork',
  'event-tools',
  'color-worm',
  'plain-lib',
] as const;
const addresses = { '93.184.216.90': '93.184.216.91' } as const;
const gist = '30e525b776c409e03c2d6f328f254965';
const commit = '0e58ed8671d6b60d0890c21b07f8835ace038e67';
const endings = ['com', 'org', 'io', 'dev', 'site', 'cloud'] as const;

/** Says every text with the names as they are, or, given a seed, with random ones. */
export class Naming {
  readonly #names = new Map<string, string>();

  constructor(seed: number | null) {
    if (seed === null) return;
    const random = createRandom(seed);
    const pick = (letters: string): string => letters[Math.floor(random() * letters.length)]!;
    const word = (): string =>
      Array.from({ length: 9 }, (_, at) => pick(at % 2 === 0 ? 'bcdfghjklmnpqrstvwxz' : 'aeiou')).join('');
    for (const host of hosts)
      this.#names.set(host, `${word()}.${word()}.${endings[Math.floor(random() * endings.length)]}`);
    for (const name of words) this.#names.set(name, word());
    for (const [address, other] of Object.entries(addresses)) this.#names.set(address, other);
    for (const id of [gist, commit])
      this.#names.set(id, Array.from(id, () => pick('0123456789abcdef')).join(''));
  }

  of(text: string): string {
    let said = text;
    for (const [name, other] of this.#names) said = said.replaceAll(name, other);
    return said;
  }
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
