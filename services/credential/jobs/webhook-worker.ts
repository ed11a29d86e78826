import { every } from "../../platform/jobs/every.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { processWebhooks } from "../webhooks/process-webhooks.ts";

// What another replica stored, or a try that has come due; what this one stored wakes it.
const pollMs = 2_000;

/** Works off webhooks on one replica; every replica may run one. */
export interface WebhookWorker {
  /** Something new is in the queue. */
  wake(): void;
  /** Waits for the events under way. */
  stop(): Promise<void>;
}

/** Starts it. */
export function startWebhookWorker(deps: Dependencies): WebhookWorker {
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let isWanted = false;

  const drain = async (): Promise<void> => {
    while (isWanted && !stopping.signal.aborted) {
      isWanted = false;
      await processWebhooks(deps, stopping.signal);
    }
  };
  const run = (): Promise<void> => {
    isWanted = true;
    running ??= drain().finally(() => {
      running = undefined;
    });
    return running;
  };
  const poll = every({ label: "webhooks", intervalMs: pollMs, log: deps.log, work: run });
  return {
    wake: () => {
      run().catch((err: unknown) => deps.log.error({ err, label: "webhooks" }, "periodic work failed"));
    },
    stop: async () => {
      stopping.abort();
      await poll.stop();
      await running?.catch(() => undefined);
    },
  };
}
