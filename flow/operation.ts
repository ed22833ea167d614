// What a request means to a platform or a registry. Filled by platform/ and registry/; null until they exist.

export type Access = 'read' | 'write' | 'admin';
export type Sureness = 'known' | 'ambiguous' | 'unknown';

/** A workflow permission, for example `{contents: 'write'}`. */
export type Permission = Readonly<Record<string, 'read' | 'write'>>;

export interface Operation {
  readonly platform: string;
  readonly server: string;
  readonly name: string;
  readonly access: Access;
  readonly owner: string | null;
  readonly repository: string | null;
  /** Alternatives, each enough by itself; `[{}]` when nothing is needed. */
  readonly needs: readonly Permission[];
  readonly sureness: Sureness;
}
