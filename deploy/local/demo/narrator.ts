/** Prints the demo: numbered steps, each with its requests, answers and what changed at the banks. */
export class Narrator {
  readonly #write: (line: string) => void;
  #step = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Opens a step. */
  step(title: string): void {
    this.#step += 1;
    this.#write(`\n${String(this.#step).padStart(2)}. ${title}`);
  }

  /** One request and what came back; secrets are cut. */
  exchange(method: string, url: string, answer: string): void {
    this.#write(`    ${method.padEnd(6)} ${shorten(url)}`);
    this.#write(`           ${shorten(answer)}`);
  }

  /** What a step shows. */
  note(text: string): void {
    this.#write(`    → ${text}`);
  }

  plain(text: string): void {
    this.#write(text);
  }
}

const lineLengthMax = 200;
const secretShapes: readonly RegExp[] = [
  /eyJ[\w-]{6}[\w.-]*/g,
  /("(?:accessToken|refreshToken|deviceCredential|challenge|code|authUrl|linkToken)":")[^"]{6,}/g,
  // Of a consent; that of a connection or a job is a short word.
  /("state":")[^"]{20,}/g,
  /([?&](?:code|state|nonce|code_challenge|request_uri|iss)=)[^&\s"]+/g,
  /\/interaction\/[\w-]+/g,
];

function shorten(text: string): string {
  const cut = secretShapes.reduce(
    (rest, shape) =>
      rest.replace(shape, (whole, kept?: unknown) =>
        typeof kept === "string" ? `${kept}…` : `${whole.slice(0, 13)}…`,
      ),
    text,
  );
  return cut.length > lineLengthMax ? `${cut.slice(0, lineLengthMax)}…` : cut;
}

/** A surprise: the demo stops and says what it expected. */
export class Surprise extends Error {
  constructor(expected: string, got: string) {
    super(`expected ${expected}, got ${got}`);
    this.name = "Surprise";
  }
}

/** Throws a Surprise unless the two agree as JSON. */
export function expectSame(what: string, got: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  if (left !== right) throw new Surprise(`${what} ${right}`, String(left));
}
