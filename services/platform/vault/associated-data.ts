/**
 * Encodes named facts into associated data: each name and value with its length before it (4 bytes, big endian), sorted by
 * name. No two different sets of facts give the same bytes, whatever characters a user or bank id holds; joining with a
 * separator would let `a|b` + `c` pass for `a` + `b|c`.
 * Throws a RangeError for ill-formed text.
 */
export function associatedData(facts: Readonly<Record<string, string | number>>): Buffer {
  const data = associatedText(facts);
  return typeof data === "string" ? Buffer.from(data, "utf8") : data;
}

/**
 * The same data, as a text whose UTF-8 are those bytes when all of it is ASCII, which it nearly always is: this runs for every secret
 * that is sealed or opened, and a text is cheaper to put together.
 */
export function associatedText(facts: Readonly<Record<string, string | number>>): string | Buffer {
  const names = Object.keys(facts);
  let last = "";
  for (const name of names) {
    if (name < last) {
      names.sort();
      break;
    }
    last = name;
  }
  return shortAscii(names, facts) ?? anyText(names.flatMap((name) => [name, String(facts[name])]));
}

const lengthBytes = 4;
/** The length before a text, as text, for those below 128 whose every byte is ASCII. */
const asciiLengths = Array.from({ length: 128 }, (_, length) => `\0\0\0${String.fromCharCode(length)}`);
// The ASCII characters from the first to the last.
const ascii = /^[\0-~\x7f]*$/;

function shortAscii(names: readonly string[], facts: Readonly<Record<string, string | number>>): string | undefined {
  let joined = "";
  for (const name of names) {
    const value = String(facts[name]);
    const nameLength = asciiLengths[name.length];
    const valueLength = asciiLengths[value.length];
    if (nameLength === undefined || valueLength === undefined) return undefined;
    joined += nameLength + name + valueLength + value;
  }
  return ascii.test(joined) ? joined : undefined;
}

function anyText(texts: readonly string[]): Buffer {
  // UTF-8 writes every lone surrogate as the same replacement character; two such texts would become one.
  if (!texts.every((text) => text.isWellFormed())) throw new RangeError("associated data must be well-formed text");
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text, "utf8");
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}
