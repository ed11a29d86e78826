import { type Dispatcher, Pool } from "undici";

const connectionsMax = 128;
/** Calls to one bank at a time; more would only wait past the deadline. */
const callsMax = 1_000;
const banksMax = 1_000;
const connectTimeoutMs = 3_000;
const keepAliveMs = 10_000;
const answerBytesMax = 64 * 1024;

/** How a POST ended. `sent` is false only when certainly no byte of the request left. */
export type PostResult =
  | { readonly kind: "answer"; readonly status: number; readonly text: string }
  | { readonly kind: "timeout" | "network"; readonly sent: boolean };

/** One POST of JSON. */
export interface PostCall {
  /** Absolute, http or https. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** For everything: waiting for a connection, sending, the whole answer. */
  readonly timeoutMs: number;
}

/** Connections to banks, kept alive, one pool for each origin. Redirects are not followed and nothing is sent twice. */
export interface BankHttp {
  /** Never rejects. An answer above 64 KiB is cut off and counts as a network failure. */
  post(call: PostCall): Promise<PostResult>;
  /** Ends the connections after the calls in flight. */
  close(): Promise<void>;
}

interface Origin {
  readonly pool: Pool;
  calls: number;
}

/** Opens nothing yet; a pool is made at the first call to a bank's origin. */
export function createBankHttp(): BankHttp {
  const origins = new Map<string, Origin>();
  return {
    post: async (call) => {
      const url = new URL(call.url);
      const origin = originOf(origins, url.origin);
      if (origin.calls >= callsMax) return { kind: "network", sent: false };
      origin.calls += 1;
      try {
        return await dispatch(origin.pool, url.pathname + url.search, call);
      } finally {
        origin.calls -= 1;
      }
    },
    close: async () => {
      await Promise.all([...origins.values()].map((origin) => origin.pool.close()));
    },
  };
}

function originOf(origins: Map<string, Origin>, name: string): Origin {
  const known = origins.get(name);
  if (known !== undefined) return known;
  if (origins.size >= banksMax) evictIdle(origins);
  const pool = new Pool(name, {
    connections: connectionsMax,
    pipelining: 1,
    connect: { timeout: connectTimeoutMs },
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    // Each call has its own deadline below.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const origin = { pool, calls: 0 };
  origins.set(name, origin);
  return origin;
}

/** Banks move: the pools of addresses that nobody uses any more must not pile up. */
function evictIdle(origins: Map<string, Origin>): void {
  for (const [name, origin] of origins) {
    if (origin.calls > 0) continue;
    origins.delete(name);
    void origin.pool.close();
    return;
  }
}

/** undici's `dispatch` in place of `request`: the same call without a stream object for each answer. */
function dispatch(pool: Pool, path: string, call: PostCall): Promise<PostResult> {
  return new Promise((resolve) => {
    const collector = new AnswerCollector(resolve, call.timeoutMs);
    try {
      pool.dispatch({ method: "POST", path, headers: call.headers, body: call.body }, collector);
    } catch {
      // A header or path that cannot be written; undici refuses before it opens anything.
      collector.fail("network");
    }
  });
}

/** Collects one answer, and gives the call up when its time is over. */
class AnswerCollector implements Dispatcher.DispatchHandler {
  readonly #resolve: (result: PostResult) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #status = 0;
  #sent = false;
  #over = false;
  #controller: Dispatcher.DispatchController | undefined;

  constructor(resolve: (result: PostResult) => void, timeoutMs: number) {
    this.#resolve = resolve;
    this.#timer = setTimeout(() => this.fail("timeout"), timeoutMs);
  }

  /** Ends the call without an answer; what comes later is thrown away. */
  fail(kind: "timeout" | "network"): void {
    this.#end({ kind, sent: this.#sent });
    this.#controller?.abort(new Error(`the call was given up: ${kind}`));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Its turn came after its time: it must not be sent any more.
    if (this.#over) {
      controller.abort(new Error("the call was given up before it was sent"));
      return;
    }
    this.#controller = controller;
    this.#sent = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, statusCode: number): void {
    this.#status = statusCode;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > answerBytesMax) this.fail("network");
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const whole = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#end({ kind: "answer", status: this.#status, text: whole.toString("utf8") });
  }

  onResponseError(): void {
    this.#end({ kind: "network", sent: this.#sent });
  }

  #end(result: PostResult): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#resolve(result);
  }
}
