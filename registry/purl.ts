// Package URLs without a version, in one canonical spelling for each package, so that rules, times and the malware
// feed speak of the same thing (ECMA-427; names by the rules of each registry).

import type { Ecosystem } from '../flow/operation.ts';

/** Writes a package URL. Segments are decoded text; the last one is the name, those before it the namespace. */
export function writePurl(ecosystem: Ecosystem, segments: readonly string[]): string {
  return `pkg:${ecosystem}/${segments.map(encodeSegment).join('/')}`;
}

const plain = /^[A-Za-z0-9.\-_~]*$/;

function encodeSegment(text: string): string {
  if (plain.test(text)) return text;
  return encodeURIComponent(text.toWellFormed())
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':');
}

/** `react`, `@acme/app`. Scopes are compared without case; names of before 2015 differ by it. */
export function npmPurl(name: string): string {
  const slash = name.indexOf('/');
  return slash < 0
    ? writePurl('npm', [name])
    : writePurl('npm', [name.slice(0, slash).toLowerCase(), name.slice(slash + 1)]);
}

/** Normalised as PEP 503 says: `Foo.Bar__baz` is `foo-bar-baz`. */
export function pypiPurl(name: string): string {
  return writePurl('pypi', [normalisePypiName(name)]);
}

export function normalisePypiName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}

/** Group with dots and artifact: `org.apache.commons`, `commons-lang3`. */
export function mavenPurl(group: string, artifact: string): string {
  return writePurl('maven', [group, artifact]);
}

/** Ids are compared without case, as NuGet does. */
export function nugetPurl(id: string): string {
  return writePurl('nuget', [id.toLowerCase()]);
}

/** crates.io lets one of `a-b` and `a_b` exist, without case; the spelling of the request is kept here. */
export function cargoPurl(name: string): string {
  return writePurl('cargo', [name]);
}

/** The module's path, unescaped; the type's definition wants lower case. */
export function golangPurl(module: string): string {
  return writePurl('golang', module.toLowerCase().split('/'));
}

export function gemPurl(name: string): string {
  return writePurl('gem', [name]);
}

export function debPurl(vendor: string, name: string): string {
  return writePurl('deb', [vendor, name.toLowerCase()]);
}

/** An image as the feed has it: the same path on two registries is two images. `purl` as flow/image-purl.ts writes it. */
export function imageKey(registry: string, purl: string): string {
  return `pkg:oci/${registry.toLowerCase()}/${purl.slice('pkg:oci/'.length)}`;
}

/** One key for all spellings that a registry takes for the same package; `purl` is one of the above. */
export function packageKey(purl: string): string {
  if (!purl.startsWith('pkg:cargo/')) return purl;
  return purl.toLowerCase().replaceAll('_', '-');
}
