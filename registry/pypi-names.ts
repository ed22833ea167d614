// Names of files in Python indexes (PEP 427, PEP 625 and what was there before) and the spelling of versions (PEP 440).

/** PEP 508. */
export const validName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

export interface FileFacts {
  readonly name: string;
  readonly version: string;
  /** `.metadata` (PEP 658), signatures and attestations of a file. */
  readonly isMetadata: boolean;
  /** Set when name and version could be split in another place too. */
  readonly other: FileFacts | null;
}

const suffix = /\.(?:metadata|asc|provenance)$/;
const sdist = /\.(?:tar\.gz|tgz|zip|tar\.bz2|tar\.xz|tar\.Z)$/;

/** Reads name and version out of the name of a wheel, an egg, an sdist or an installer; null when it tells neither. */
export function readFileName(file: string): FileFacts | null {
  if (file.length > 512) return null;
  const isMetadata = suffix.test(file);
  const bare = isMetadata ? file.replace(suffix, '') : file;
  if (/\.(?:whl|egg)$/.test(bare)) {
    const parts = bare.replace(/\.(?:whl|egg)$/, '').split('-');
    const [name = '', version = ''] = parts;
    const isWheel = bare.endsWith('.whl');
    if (isWheel ? parts.length < 5 || parts.length > 6 : parts.length < 2) return null;
    return told(name, version, isMetadata);
  }
  if (!sdist.test(bare)) return null;
  return readSdistName(bare.replace(sdist, ''), isMetadata);
}

function told(
  name: string,
  version: string,
  isMetadata: boolean,
  other: FileFacts | null = null,
): FileFacts | null {
  if (!validName.test(name) || !/^[0-9v]/i.test(version)) return null;
  return { name, version: normalisePypiVersion(version), isMetadata, other };
}

/** Before PEP 625 both parts held dashes: `foo-1.0-1` is a post-release of foo, `foo-2-1.0` the first one of foo-2. */
function readSdistName(stem: string, isMetadata: boolean): FileFacts | null {
  const cuts = [...stem.matchAll(/-(?=v?\d)/g)].map((match) => match.index);
  if (cuts.length === 0 || cuts.length > 8) return null;
  let facts: FileFacts | null = null;
  for (const at of cuts) facts = told(stem.slice(0, at), stem.slice(at + 1), isMetadata, facts) ?? facts;
  return facts;
}

/** One spelling for a version, as PEP 440 normalises it; what is no version is kept in lower case. */
export function normalisePypiVersion(text: string): string {
  const match = pep440.exec(text.trim().toLowerCase());
  if (match === null) return text.toLowerCase();
  const [, epoch, release, pre, preNumber, post1, post2, postNumber, dev, devNumber, local] = match;
  const number = (digits: string | undefined): string => (digits ?? '0').replace(/^0+(?=\d)/, '');
  let out = epoch === undefined || number(epoch) === '0' ? '' : `${number(epoch)}!`;
  out += release!.split('.').map(number).join('.');
  if (pre !== undefined) out += `${preWords[pre] ?? pre}${number(preNumber)}`;
  if (post1 !== undefined) out += `.post${number(post1)}`;
  else if (post2 !== undefined) out += `.post${number(postNumber)}`;
  if (dev !== undefined) out += `.dev${number(devNumber)}`;
  return local === undefined ? out : `${out}+${local.replaceAll(/[-_]/g, '.')}`;
}

/** A normalised version without zeros at the end of its numbers: `1.0.0` and `1` are the same one (PEP 440). */
export function trimPypiVersion(version: string): string {
  return version.replace(/^((?:\d+!)?\d+(?:\.\d+)*?)(?:\.0)+(?=$|[a-z+]|\.post|\.dev)/, '$1');
}

const preWords: Readonly<Record<string, string>> = {
  alpha: 'a',
  beta: 'b',
  c: 'rc',
  pre: 'rc',
  preview: 'rc',
};

/** PEP 440, appendix B: epoch, release, pre (2), post (3), dev (2), local. */
export const pep440 =
  /^v?(?:(\d{1,20})!)?(\d{1,20}(?:\.\d{1,20}){0,30})(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d{1,20})?)?(?:-(\d{1,20})|[-_.]?(post|rev|r)[-_.]?(\d{1,20})?)?(?:[-_.]?(dev)[-_.]?(\d{1,20})?)?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+){0,30}))?$/;
