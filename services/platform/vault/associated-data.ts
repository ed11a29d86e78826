/**
 * Encodes named facts into associated data: each name and value with its length before it (4 bytes, big endian), sorted by
 * name. No two different sets of facts give the same bytes, whatever characters a user or bank id holds; joining with a
 * separator would let `a|b` + `c` pass for `a` + `b|c`.
 * Throws a RangeError for ill-formed text.
 */
export function associatedData(facts: Readonly<Record<string, string | number>>): Buffer {
  const names = Object.keys(facts).sort();
  return Buffer.concat(names.flatMap((name) => [withLength(name), withLength(String(facts[name]))]));
}

function withLength(text: string): Buffer {
  // UTF-8 writes every lone surrogate as the same replacement character; two such texts would become one.
  if (!text.isWellFormed()) throw new RangeError("associated data must be well-formed text");
  const content = Buffer.from(text, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}
