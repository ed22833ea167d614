// One operation of what two say of a request to a forge's package registry: whose it is and what it needs of a token
// (platform/), and which package and version it is about (registry/). Policy must grant both.

import type {
  AnswerReader,
  AnswerReview,
  AskedRequest,
  Interpreter,
  Understanding,
} from './asked-request.ts';
import type { Held } from './held.ts';
import type { Operation, Touch } from './operation.ts';

const maxTouches = 64;

/** Asks `packages` of what `platform` understood; it answers null for what is no matter of a registry. */
export function withPackages(
  platform: Interpreter,
  packages: (request: AskedRequest) => Understanding | null,
): Interpreter {
  return {
    ...platform,
    understand(request) {
      const found = platform.understand(request);
      const which = found === null ? null : packages(request);
      return found === null || which === null ? found : joinUnderstandings(found, which);
    },
  };
}

/** `place` says whose it is, `which` what it is; the operation keeps the name and the needs of `place`. */
export function joinUnderstandings(place: Understanding, which: Understanding): Understanding {
  const { rewrite } = which;
  const answer = joinReaders(place.answer, which.answer);
  const hold = joinHolds(place, which);
  const review = place.review ?? joinReview(place, which.review);
  return {
    operation: joinOperations(place.operation, which.operation),
    evidence: [...place.evidence, ...which.evidence],
    ...(review === undefined ? {} : { review }),
    ...(hold === undefined ? {} : { hold }),
    ...(answer === undefined ? {} : { answer }),
    ...(rewrite === undefined ? {} : { rewrite }),
  };
}

/** A body is held for one of the two: a forge reads none of what is published to its registries. */
function joinHolds(place: Understanding, which: Understanding): Understanding['hold'] {
  if (place.hold !== undefined) {
    const { hold } = place;
    return { ...hold, withBody: (body: Held) => joinUnderstandings(hold.withBody(body), which) };
  }
  const { hold } = which;
  return hold && { ...hold, withBody: (body: Held) => joinUnderstandings(place, hold.withBody(body)) };
}

/** What an answer makes of it is said of the registry's operation: whose it is has not changed. */
function joinReview(place: Understanding, review: AnswerReview | undefined): AnswerReview | undefined {
  if (review === undefined || place.operation === null) return undefined;
  const { operation } = place;
  return {
    ...review,
    read(body) {
      const read = review.read(body);
      return { ...read, operation: joinOperations(operation, read.operation) ?? operation };
    },
  };
}

function joinOperations(place: Operation | null, which: Operation | null): Operation | null {
  if (place === null || which === null) return place;
  if (which.platform === 'oci') return joinImages(place, which);
  const added = atLeastAs(place, which).map((touch) => atWorst(touch, which));
  const touches = [...place.touches, ...added];
  return {
    ...place,
    touches: touches.slice(0, maxTouches),
    detail: place.detail ?? which.detail,
    ...(touches.length > maxTouches ? { sureness: 'unknown' } : {}),
  };
}

/** What the registry cannot place may be a file: it is judged as one, of whatever version. */
function atWorst(touch: Touch, { sureness }: Operation): Touch {
  const mayInstall = sureness === 'unknown' && touch.kind === 'package' && touch.act === 'metadata';
  return mayInstall ? { ...touch, act: 'install' } : touch;
}

/** The forge names the images too; where the registry means the very same ones, it says more of each. */
function joinImages(place: Operation, which: Operation): Operation {
  const images = new Set(place.touches.map(imageOf));
  const isSame =
    which.sureness === 'known' &&
    !images.has(null) &&
    which.touches.every((touch) => images.has(imageOf(touch))) &&
    images.size === new Set(which.touches.map(imageOf)).size;
  return isSame ? { ...place, touches: which.touches } : place;
}

/** Image and access as one text; null for anything else. */
function imageOf(touch: Touch): string | null {
  return touch.kind === 'image' ? `${touch.access} ${touch.image.toLowerCase()}` : null;
}

/** A write to the forge that it cannot place, or the registry takes for a read, may be any: it publishes what nobody knows. */
function atLeastAs(place: Operation, { touches, server }: Operation): readonly Touch[] {
  const isPlaced = place.sureness !== 'unknown' && touches.some(({ access }) => access !== 'read');
  if (place.access === 'read' || isPlaced) return touches;
  return [
    ...touches,
    { kind: 'package', access: 'write', act: 'publish', purl: null, version: null, registry: server },
  ];
}

/** Answers with a body are the registry's to read; where they lead, the forge says which storage it is. */
function joinReaders(
  place: AnswerReader | undefined,
  which: AnswerReader | undefined,
): AnswerReader | undefined {
  if (place === undefined || which === undefined) return place;
  const { stream } = which;
  return {
    limits: which.limits,
    wantsBody: (head) => place.wantsBody(head) || which.wantsBody(head),
    read: (head, body) => (which.wantsBody(head) ? which : place).read(head, body),
    ...(stream === undefined ? {} : { stream: (head) => (place.wantsBody(head) ? null : stream(head)) }),
  };
}
