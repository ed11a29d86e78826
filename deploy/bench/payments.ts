import { demoWorld } from "../local/world.ts";
import { type BenchToken, type BenchWorld, mintTokens } from "./bench-world.ts";
import { runGrpcLoad } from "./grpc-load.ts";
import { type LoadResult, runLoad } from "./http-load.ts";
import { type Measurement, measure } from "./measure.ts";

/** How much to do; `quick` shows that it works, the figures of a report come from the full run. */
export interface PaymentBenchSize {
  readonly cards: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Tokens minted for each run, at least what the fastest could use. */
  readonly tokensPerSecond: number;
}

const connectionLevels = [8, 64, 256] as const;
const pacedRatePerSecond = 500;

/** Measures the authorise path: through the gateway at three levels and at a steady rate, then by gRPC at the Router. */
export async function benchPayments(
  world: BenchWorld,
  size: PaymentBenchSize,
  report: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  const add = async (
    label: string,
    load: (next: () => BenchToken | undefined) => Promise<LoadResult>,
  ): Promise<void> => {
    // Fresh tokens for each run, since they live fifteen minutes and work once; minting is before the clock.
    const tokens = await mintTokens(world, {
      cards: size.cards,
      tokens: Math.ceil((size.tokensPerSecond * size.durationMs) / 1000),
    });
    let used = 0;
    const measurement = await measure(label, world.pids, () => load(() => tokens[used++]));
    report(measurement);
    measurements.push(measurement);
  };
  await warmUp(world, size);
  for (const connections of connectionLevels) {
    await add(`authorize, REST, ${connections} connections`, (next) =>
      restLoad(world, { connections, durationMs: size.durationMs, next }),
    );
  }
  await add(`authorize, REST, steady ${pacedRatePerSecond}/s`, (next) =>
    restLoad(world, { connections: 64, durationMs: size.durationMs, ratePerSecond: pacedRatePerSecond, next }),
  );
  await add("authorize, gRPC at the Router, 64 calls", (next) =>
    runGrpcLoad(world, { concurrency: 64, durationMs: size.durationMs, next, orderId }),
  );
  return measurements;
}

async function warmUp(world: BenchWorld, size: PaymentBenchSize): Promise<void> {
  const tokens = await mintTokens(world, {
    cards: size.cards,
    tokens: Math.ceil((size.tokensPerSecond * size.warmUpMs) / 1000),
  });
  let used = 0;
  await restLoad(world, { connections: 64, durationMs: size.warmUpMs, next: () => tokens[used++] });
}

let orders = 0;
const runId = Date.now().toString(36);

function orderId(): string {
  orders += 1;
  return `bench-${runId}-${orders}`;
}

function restLoad(
  world: BenchWorld,
  options: { connections: number; durationMs: number; ratePerSecond?: number; next(): BenchToken | undefined },
): Promise<LoadResult> {
  const { gateway } = world.mesh.ports;
  const head = `POST /api/v1/payments/authorize HTTP/1.1\r\nhost: 127.0.0.1:${gateway}\r\nx-api-key: ${demoWorld.merchantKey}\r\naccept: application/json\r\ncontent-type: application/json\r\ncontent-length: `;
  return runLoad({
    host: "127.0.0.1",
    port: gateway,
    connections: options.connections,
    durationMs: options.durationMs,
    ...(options.ratePerSecond === undefined ? {} : { ratePerSecond: options.ratePerSecond }),
    next: () => {
      const token = options.next();
      if (token === undefined) return undefined;
      const body = JSON.stringify({
        merchantId: demoWorld.merchantId,
        amount: 1,
        currency: "CAD",
        orderId: orderId(),
        ...token,
      });
      return Buffer.from(`${head}${body.length}\r\n\r\n${body}`, "latin1");
    },
    accept: (status, body) => status === 200 && body.includes('"authorized"'),
  });
}
