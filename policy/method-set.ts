// The methods of a rule. `read` is GET, HEAD and OPTIONS without a body; everything else is a write, and so is a
// GET with a body or with a header that names another method.

export interface MethodSet {
  readonly read: boolean;
  readonly write: boolean;
  readonly named: ReadonlySet<string>;
}

const readMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Reads `methods` of a rule: the words `read`, `write`, `any`, and names of methods. */
export function readMethodSet(words: readonly string[]): MethodSet {
  const lower = words.map((word) => word.toLowerCase());
  const has = (word: string) => lower.includes(word);
  return {
    read: has('read') || has('any'),
    write: has('write') || has('any'),
    named: new Set(
      words.map((word) => word.toUpperCase()).filter((word) => !/^(READ|WRITE|ANY)$/.test(word)),
    ),
  };
}

/** A request as methods see it: `hidesWrite` when a body or an override header makes more of it than its name says. */
export interface MethodUse {
  readonly method: string;
  readonly hasBody: boolean;
  readonly overridden: boolean;
}

/** True when an allow rule covers the method; names compare with case, as servers do (RFC 9110 9.1). */
export function allowsMethod(set: MethodSet, { method, hasBody, overridden }: MethodUse): boolean {
  if (overridden) return set.write;
  if (!readMethods.has(method)) return set.write || set.named.has(method);
  return hasBody ? set.write : set.read || set.named.has(method);
}

/** True when a block rule covers the method; wider than for an allow: without case, and whatever the request hides. */
export function blocksMethod(set: MethodSet, { method, hasBody, overridden }: MethodUse): boolean {
  const upper = method.toUpperCase();
  if (set.named.has(upper) || (overridden && (set.write || set.named.size > 0))) return true;
  if (!readMethods.has(upper)) return set.write;
  // In another case it is a name of its own (RFC 9110 9.1), which servers take for the read all the same.
  return set.read || (set.write && (hasBody || method !== upper));
}

export function coversAnyMethod(set: MethodSet): boolean {
  return set.read && set.write;
}

/** True when the set holds anything that changes a server's state. */
export function includesWrite(set: MethodSet): boolean {
  return set.write || [...set.named].some((method) => !readMethods.has(method));
}
