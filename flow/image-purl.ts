// Container images as package URLs, so that rules and feeds on packages speak of them as of any package.

/** `ghcr.io/acme/app` as `{registry: 'ghcr.io', purl: 'pkg:oci/acme/app'}`; null where nothing stands behind the host. */
export function readImageName(image: string): { readonly registry: string; readonly purl: string } | null {
  const slash = image.indexOf('/');
  if (slash <= 0 || slash === image.length - 1) return null;
  // Names of images are of letters, digits, dots, dashes and underscores alone: nothing needs encoding.
  return { registry: image.slice(0, slash), purl: `pkg:oci/${image.slice(slash + 1).toLowerCase()}` };
}
