import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { createRpcClient, type RpcClient } from "../../../services/platform/rpc/client.ts";
import { type BenchWorld, benchTls } from "../bench-world.ts";
import { runCalls } from "../call-load.ts";
import { type Measurement, measure } from "../measure.ts";

const connectors = 8;
const readers = 32;
const institutionId = "ins_109508";
const accountsOfPerson = 1;
const created = z.object({ public_token: z.string() });

/**
 * Measures connecting and reading by gRPC, in the wallet's name: a consent begun and ended at Plaid's stand-in, whose own work is
 * beside it in the figures; then the accounts of those connections as they are stored.
 */
export async function benchCalls(
  world: BenchWorld,
  durationMs: number,
  report: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const client = createRpcClient(Credential, {
    address: `127.0.0.1:${world.mesh.ports["credential-grpc"]}`,
    serverName: "credential",
    tls: await benchTls(world, "wallet"),
  });
  const users: string[] = [];
  const connectOne = async (): Promise<string | undefined> => {
    const userId = randomUUID();
    const fault = await connect(world, client, userId);
    if (fault === undefined) users.push(userId);
    return fault;
  };
  let reads = 0;
  const readOne = async (): Promise<string | undefined> => {
    reads += 1;
    const owner = { tenant: "wallet", userId: users[reads % users.length] ?? "" };
    const { accounts, errors } = await client.listProviderAccounts({ owner });
    return accounts.length >= accountsOfPerson && errors.length === 0 ? undefined : `${accounts.length} accounts`;
  };
  const measurements: Measurement[] = [];
  const add = async (label: string, concurrency: number, call: () => Promise<string | undefined>): Promise<void> => {
    await runCalls({ concurrency, durationMs: durationMs / 4, call });
    const measurement = await measure(label, world.pids, () => runCalls({ concurrency, durationMs, call }));
    report(measurement);
    measurements.push(measurement);
  };
  try {
    await add(`connect, gRPC, ${connectors} calls`, connectors, connectOne);
    await add(`read accounts, gRPC, ${readers} calls`, readers, readOne);
  } finally {
    client.close();
  }
  return measurements;
}

async function connect(
  world: BenchWorld,
  client: RpcClient<typeof Credential>,
  userId: string,
): Promise<string | undefined> {
  const owner = { tenant: "wallet", userId };
  const redirectUri = `${world.mesh.urls.gateway}/api/connectors/plaid/callback`;
  const begun = await client.beginConnect({ owner, connector: "plaid", institutionId, redirectUri });
  // What Plaid's page does once the person has agreed.
  const code = await publicToken(world);
  const { connection } = await client.completeConnect({ owner, state: begun.state, code });
  return connection?.connectionId === "" ? "no connection" : undefined;
}

async function publicToken(world: BenchWorld): Promise<string> {
  const { PLAID_CLIENT_ID, PLAID_SECRET } = world.mesh.environment("credential");
  const response = await fetch(`${world.mesh.urls.providers.plaid}/sandbox/public_token/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_id: PLAID_CLIENT_ID,
      secret: PLAID_SECRET,
      institution_id: institutionId,
      initial_products: ["transactions"],
    }),
  });
  return created.parse(await response.json()).public_token;
}
