import { request } from "undici";
import type { BankFacts } from "../domain/bank-facts.ts";

const timeoutMs = 5_000;
const answerBytesMax = 64 * 1024;

/** Where the bank registers, and with what. */
export interface RegistryOptions {
  /** `NSIM_REGISTRY_URL`: ends in `/api/v1/registry`. */
  readonly url: string;
  /** Issued to this bank by the registry's operator. */
  readonly registrationKey: string;
  readonly facts: BankFacts;
  /** The key the payment network is to present to this bank. */
  readonly paymentApiKey: string;
}

/** The registry said no, with this status: 404 means it does not know the bank, 4xx that trying again is in vain. */
export class RegistryRefusal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`the registry answered ${status}`);
    this.name = "RegistryRefusal";
    this.status = status;
  }
}

/** What the bank asks of the registry. Both throw `RegistryRefusal`, or the transport's error. */
export interface RegistryClient {
  /** Creates or updates this bank's own record. */
  register(signal: AbortSignal): Promise<void>;
  /** Says that this bank is alive. */
  beat(signal: AbortSignal): Promise<void>;
}

/** Makes the client. Answers are read to their end, at most 64 KiB, and not looked at: the status says it all. */
export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const post = async (path: string, body: object, signal: AbortSignal): Promise<void> => {
    const answer = await request(`${options.url}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "x-api-key": options.registrationKey,
      },
      body: JSON.stringify(body),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await answer.body.dump({ limit: answerBytesMax });
    if (answer.statusCode < 200 || answer.statusCode > 299) throw new RegistryRefusal(answer.statusCode);
  };
  return {
    register: (signal) => post("/bsims", { ...options.facts, apiKey: options.paymentApiKey }, signal),
    beat: (signal) => post(`/bsims/${encodeURIComponent(options.facts.bsimId)}/heartbeat`, {}, signal),
  };
}
