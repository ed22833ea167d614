// What a request means to a platform or a registry: an operation, what it touches, and the permission that it
// needs. platform/ and registry/ make them, policy decides by them, records keep them.

import type { Making } from './lineage.ts';

export type Access = 'read' | 'write' | 'admin';

/** `known`: the table says so; `ambiguous`: one of several, undecided by the request; `unknown`: never guessed. */
export type Sureness = 'known' | 'ambiguous' | 'unknown';

/** Keys of a workflow's `permissions:` with their level, for example `{contents: 'write'}`: all of them are needed. */
export type Permission = Readonly<Record<string, 'read' | 'write'>>;

export type OperationPlatform = 'github' | 'gitlab' | 'aws' | Ecosystem;

/** Types of the package URL specification where it has one (`cargo`, `golang`, `gem`, …); `oci` is for images. */
export type Ecosystem =
  'npm' | 'pypi' | 'maven' | 'nuget' | 'cargo' | 'golang' | 'gem' | 'oci' | 'deb' | 'generic';

/** What an operation touches; each with its own access. A null field is one that the request does not tell. */
export type Touch =
  | {
      readonly kind: 'repository';
      readonly access: Access;
      /** As written in the request; compared without case. Of a GitLab project the top-level group. */
      readonly owner: string | null;
      /** The name without the owner; of a GitLab project the rest of its path. */
      readonly name: string | null;
      /** Numeric, where the request gives it instead of a name. */
      readonly id: string | null;
      /** Refs that a push changes; null where they are not known or it is no push. */
      readonly refs: readonly string[] | null;
    }
  | { readonly kind: 'owner'; readonly access: Access; readonly owner: string | null }
  /** The platform itself: a user, an enterprise, the token, a search. */
  | { readonly kind: 'platform'; readonly access: Access }
  | {
      readonly kind: 'image';
      readonly access: Access;
      /** Host of the registry and path, for example `docker.io/library/alpine`. */
      readonly image: string;
      /** Tag or digest. */
      readonly reference: string | null;
      /** What is known of it at this moment; left out where nobody looked. */
      readonly facts?: PackageFacts;
      /**
       * When its age counts: `later`, by what is asked for next (a tag may move); `now`, known or not. Left out: where it
       * is known.
       */
      readonly ageDue?: 'later' | 'now';
    }
  | {
      readonly kind: 'package';
      readonly access: Access;
      readonly act: 'metadata' | 'install' | 'publish' | 'account' | 'search';
      /** Without a version: `pkg:npm/%40acme/app` as canonical package URL; null: not about one package. */
      readonly purl: string | null;
      readonly version: string | null;
      /** As users name it: `npmjs.com`, `pypi.org`; of a private one the host, and its path where a host holds many. */
      readonly registry: string;
      /** Which part of a registry that many share, as a path: `/acme/app` of GitHub's Maven registry. */
      readonly part?: string;
      /** The file's name, where the request is for one: files of one version may have times of their own. */
      readonly file?: string;
      /** What the request itself says of the bytes, for example `blake2b-256:` with hexadecimal digits. */
      readonly integrity?: string;
      /** What is known of it at this moment; left out where nobody looked. */
      readonly facts?: PackageFacts;
    }
  | {
      readonly kind: 'cloud';
      readonly access: Access;
      readonly service: string;
      /** 12 digits, or null: unknown. */
      readonly account: string | null;
      readonly bucket: string | null;
    }
  /** An identity token asked of the platform. */
  | { readonly kind: 'identity'; readonly access: Access; readonly audience: string | null }
  | ActionTouch;

/** An action that a runner asks the platform for. Owner, name and reference are null where nobody can say which one. */
export interface ActionTouch {
  readonly kind: 'action';
  /** A read, as it is asked for. */
  readonly access: Access;
  readonly owner: string | null;
  readonly name: string | null;
  /** Below its repository, as the runner asked; empty: the root, or not told. */
  readonly path: string;
  readonly ref: string | null;
  /** The commit that the platform made of the reference, in lower case; absent until its answer was read. */
  readonly commit?: string;
  /** `owner/name` under which the platform found it, where that is another. */
  readonly foundAs?: string;
  /** What the reference stood for when it was seen before, where that is another commit. */
  readonly before?: string;
  /** A branch or a tag of its repository leads to the commit, none does, or nobody could say; absent: not asked. */
  readonly onRef?: 'yes' | 'no' | 'unknown';
}

export interface PackageFacts {
  /** Milliseconds since it was published, or null: not known. */
  readonly ageMs: number | null;
  /** It is at least this old, where its age is not known. */
  readonly atLeastMs: number | null;
  readonly timeClass: 'registry-stated' | 'author-stated' | 'mirror-stated' | 'unknown';
  /** Id of the advisory that names it as malicious, or null. */
  readonly malicious: string | null;
}

export interface Operation {
  readonly platform: OperationPlatform;
  /** Host of the platform or registry as it is known to users: `github.com`, not `api.github.com`. */
  readonly server: string;
  /** Octokit's id (`issues/create`), ours (`git/push`, `lfs/upload`), or of GraphQL `graphql/createIssue+addComment`. */
  readonly name: string;
  /** The highest of what it touches. */
  readonly access: Access;
  /** In the order of the request, at most 64; more are told by `sureness: unknown`. */
  readonly touches: readonly Touch[];
  /** Alternatives, each enough by itself; `[{}]` when nothing is needed. */
  readonly needs: readonly Permission[];
  /** What it needs that no key of a workflow grants, in the platform's words (`administration: write`). */
  readonly ungrantable: readonly string[];
  readonly sureness: Sureness;
  /** False for a call that says nothing of the job's own token: another repository or another credential. */
  readonly widens: boolean;
  /** Recognised by the protocol's shape alone: rules on packages may block it, and never open what no host rule does. */
  readonly byShape?: true;
  /** Whose credential the request carries; null where nobody looked. */
  readonly credential: CredentialKind | null;
  /** How that credential was made, where it was made here, and the kind at its beginning; absent: not known. */
  readonly made?: Making;
  readonly root?: CredentialKind;
  /** What the answer said would have been enough (`X-Accepted-GitHub-Permissions`); absent where it said nothing. */
  readonly accepted?: readonly Permission[] | null;
  /** Which of `needs` the target decided, told by the answer or by an id; absent where nothing told. Opens nothing. */
  readonly decided?: readonly Permission[] | null;
  /** The answer refused the call in its body, whatever its status says. */
  readonly refused?: boolean;
  /** For people, bounded and redacted: why it is opaque, which fields of a document were not placed. */
  readonly detail: string | null;
}

/** `job`: the job's own token by its keyed hash; `derived`: one that was made with it. */
export type CredentialKind =
  'job' | 'derived' | 'app' | 'pat' | 'deploy-key' | 'registry' | 'cloud' | 'runtime' | 'none' | 'unknown';
