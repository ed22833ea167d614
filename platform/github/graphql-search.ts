// The one repository that a search is confined to by its own text. Qualifiers of repositories and accounts widen one
// another, and words may join terms by OR (docs.github.com, "Understanding the search syntax"): one `repo:` alone
// confines, and only in a text that can be read in one way.

const maxLength = 1_000;
const term = /^(?:-?[a-z-]+:(?:"[^"\\]*"|[^\s"()\\]+)|[^\s"():\\]+)$/i;
const widening = /^-?(?:repo|user|org|owner|enterprise|in):/i;
const joining = /^(?:or|and|not)$/i;
const confining = /^repo:([\w.-]{1,100})\/([\w.-]{1,100})$/i;

/** Owner and name, or null where the search may find anything. */
export function searchedRepository(text: string | null): { owner: string; name: string } | null {
  if (text === null || text.length > maxLength || /[^\x20-\x7e]/.test(text)) return null;
  const terms = text.match(/[^\s"]*"[^"]*"|\S+/g) ?? [];
  if (!terms.every((one) => term.test(one) && !joining.test(one))) return null;
  const [scope, ...more] = terms.filter(
    (one) => widening.test(one) && !/^in:(?:title|body|comments)$/i.test(one),
  );
  const [, owner, name] = confining.exec(scope ?? '') ?? [];
  return more.length === 0 && owner !== undefined && name !== undefined ? { owner, name } : null;
}
