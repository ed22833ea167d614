// Hosts of forges as hooks write them: a URL, or the name alone.

/** The host in lower case, with a port other than https's own; null when the text is none. */
export function canonicalHost(text: string): string | null {
  const url = text.includes('://') ? text : `https://${text}`;
  if (!URL.canParse(url)) return null;
  const { protocol, host, username, password } = new URL(url);
  const isPlain = username === '' && password === '' && (protocol === 'https:' || protocol === 'http:');
  return isPlain && host !== '' ? host : null;
}
