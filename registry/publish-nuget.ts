// Which package a push to a NuGet server carries: the id and version of the nuspec inside
// (learn.microsoft.com/nuget/reference/nuspec).

import type { Held } from '../flow/held.ts';
import { readMultipart } from './multipart.ts';
import { readZipEntry } from './zip-entry.ts';

/** Reads the package of a form, or the bare body; null when it is opaque or does not tell. */
export function readNugetPush(
  contentType: string,
  held: Held,
): { readonly id: string; readonly version: string } | null {
  if (held.kind === 'opaque') return null;
  const isForm = /^multipart\//i.test(contentType);
  const parts = isForm ? readMultipart(contentType, held.body) : null;
  if (isForm && parts?.length !== 1) return null;
  const nuspec = readZipEntry(parts?.[0]?.body ?? held.body, (name) => /^[^/\\]+\.nuspec$/i.test(name));
  if (nuspec === null) return null;
  const text = readMarkup(nuspec.toString('utf8'));
  const metadata = text === null ? '' : (/<metadata[\s>][\s\S]*$/.exec(text)?.[0] ?? '');
  const [id, version] = ['id', 'version'].map((name) => onlyElement(metadata, name));
  return id === undefined || version === undefined || id === null || version === null
    ? null
    : { id, version };
}

/** XML without its comments; null where what looks like one may be text, or entities stand for elements. */
function readMarkup(xml: string): string | null {
  const body = xml.replace(/^\uFEFF?\s*<\?xml[^<>]{0,200}\?>/, '');
  if (/<!DOCTYPE/i.test(body) || (body.includes('<!--') && /<!\[CDATA\[|<\?/.test(body))) return null;
  return body.replaceAll(/<!--[\s\S]*?-->/g, '');
}

/** The text of an element; null when it is not there once, in whichever namespace. Dependencies name theirs in attributes. */
function onlyElement(xml: string, name: string): string | null {
  if ([...xml.matchAll(new RegExp(`<(?:[^\\s<>/:]+:)?${name}(?=[\\s/>])`, 'g'))].length !== 1) return null;
  const found = [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>\\s*([^<&]{1,200}?)\\s*</${name}>`, 'g'))];
  return found.length === 1 ? found[0]![1]! : null;
}
