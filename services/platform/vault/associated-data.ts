/**
 * Encodes named facts into associated data: each name and value with its length before it (4 bytes, big endian), sorted by
 * name. No two different sets of facts give the same bytes, whatever characters a user or bank id holds; joining with a
 * separator would let `a|b` + `c` pass for `a` + `b|c`.
 * Throws a RangeError for ill-formed text.
 */
export function associatedData(facts: Readonly<Record<string, string | number>>): Buffer {
  const texts: string[] = [];
  let size = 0;
  for (const name of Object.keys(facts).sort()) {
    for (const text of [name, String(facts[name])]) {
      // UTF-8 writes every lone surrogate as the same replacement character; two such texts would become one.
      if (!text.isWellFormed()) throw new RangeError("associated data must be well-formed text");
      texts.push(text);
      size += lengthBytes + Buffer.byteLength(text, "utf8");
    }
  }
  // One allocation, filled to its last byte: this runs for every secret that is sealed or opened.
  const encoded = Buffer.allocUnsafe(size);
  let at = 0;
  for (const text of texts) {
    const written = encoded.write(text, at + lengthBytes, "utf8");
    encoded.writeUInt32BE(written, at);
    at += lengthBytes + written;
  }
  return encoded;
}

const lengthBytes = 4;
