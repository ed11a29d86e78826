import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { checkChosenSecret } from "./access-key.ts";
import type { BankHealth, BankStanding } from "./bank.ts";
import { type Circuit, decideProbe, failuresToOpen, freshCircuit } from "./bank-circuit.ts";
import { parseNewBankId } from "./bank-id.ts";
import { type BankActor, decideStanding, type StandingEvent } from "./bank-standing.ts";
import { parseIpAddress } from "./ip-address.ts";
import { isPrivateAddress, isPrivateHost } from "./private-address.ts";
import { parsePublicUrl } from "./public-url.ts";

const times = { intervalMs: 30_000, openMs: 60_000 };

function run(outcomes: readonly boolean[]): { circuit: Circuit; health: BankHealth; changes: number } {
  let circuit = freshCircuit;
  let health: BankHealth = "unknown";
  let changes = 0;
  for (const succeeded of outcomes) {
    const next = decideProbe(circuit, health, succeeded, times);
    if (next.health !== health) changes += 1;
    ({ circuit, health } = next);
  }
  return { circuit, health, changes };
}

describe("a bank's circuit", () => {
  it("opens at the fifth failure in a row and waits a minute for its trial", () => {
    expect(run([true, false, false, false, false]).health).toBe("healthy");
    const opened = decideProbe({ state: "closed", failures: 4 }, "healthy", false, times);
    expect(opened).toEqual({ circuit: { state: "open", failures: 5 }, health: "unhealthy", nextProbeInMs: 60_000 });
  });

  it("closes at one successful trial and opens again at a failed one", () => {
    const open: Circuit = { state: "open", failures: 5 };
    expect(decideProbe(open, "unhealthy", true, times)).toEqual({
      circuit: freshCircuit,
      health: "healthy",
      nextProbeInMs: 30_000,
    });
    expect(decideProbe(open, "unhealthy", false, times)).toMatchObject({ circuit: open, nextProbeInMs: 60_000 });
  });

  it("does not change a bank's health for a flapping that never fails five times in a row", () => {
    const flapping = fc.array(fc.array(fc.constant(false), { maxLength: failuresToOpen - 1 }), { maxLength: 30 });
    fc.assert(
      fc.property(flapping, (bursts) => {
        const outcomes = [true, ...bursts.flatMap((burst) => [...burst, true])];
        expect(run(outcomes)).toMatchObject({ health: "healthy", changes: 1 });
      }),
    );
  });

  it("is unhealthy exactly while it is open, whatever the probes say", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (outcomes) => {
        const { circuit, health } = run(outcomes);
        expect(health === "unhealthy").toBe(circuit.state === "open");
        expect(circuit.failures).toBeLessThanOrEqual(failuresToOpen);
        const lastSuccess = outcomes.lastIndexOf(true);
        if (outcomes.length - 1 - lastSuccess >= failuresToOpen) expect(health).toBe("unhealthy");
      }),
    );
  });
});

describe("a bank's standing", () => {
  const steps = fc.array(
    fc.record({
      event: fc.constantFrom<StandingEvent>("register", "pause", "resume", "remove"),
      actor: fc.constantFrom<BankActor>("bank", "operator"),
    }),
    { maxLength: 30 },
  );

  it("is never made active by the bank while an operator holds it", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        let standing: BankStanding = { status: "active", heldByOperator: false };
        for (const { event, actor } of sequence) {
          const before = standing;
          try {
            standing = decideStanding(before, event, actor);
          } catch (error) {
            expect(error).toBeInstanceOf(DomainError);
          }
          if (standing.status === "active") expect(standing.heldByOperator).toBe(false);
          if (before.heldByOperator && actor === "bank") expect(standing.status).not.toBe("active");
          if (before.heldByOperator && !standing.heldByOperator) {
            expect({ event, actor }).toEqual({ event: "resume", actor: "operator" });
          }
        }
      }),
    );
  });

  it("stays paused through the restart of a bank that paused itself, and comes back when it asks", () => {
    const paused = decideStanding({ status: "active", heldByOperator: false }, "pause", "bank");
    expect(decideStanding(paused, "register", "bank").status).toBe("maintenance");
    expect(decideStanding(paused, "resume", "bank").status).toBe("active");
  });

  it("refuses to pause a removed bank", () => {
    expect(() => decideStanding({ status: "inactive", heldByOperator: false }, "pause", "operator")).toThrow(
      "CONFLICT",
    );
  });
});

describe("ids and URLs", () => {
  it("parses exactly the ids of the contract", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9-]{1,64}$/), (id) => {
        expect(parseNewBankId(id, id)).toBe(id);
      }),
    );
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        fc.pre(!/^[a-z0-9-]{1,64}$/.test(text));
        expect(() => parseNewBankId(text)).toThrow("BANK_ID_INVALID");
      }),
    );
  });

  it.each([
    "127.0.0.1",
    "10.0.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "::",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "fd00::1",
    "fe80::1",
    "not an address",
  ])("counts %s as private", (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])("counts %s as public", (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });

  it("reads addresses as the system does", () => {
    const written = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
      fc.constantFrom("1.2.3", "01.2.3.4", "256.1.1.1", ":", ":::", "1::2::3", "::1.2.3.4", "1:2:3:4:5:6:7:8:9", "g::"),
    );
    fc.assert(
      fc.property(written, (text) => {
        expect(parseIpAddress(text) !== undefined).toBe(isIP(text) !== 0);
      }),
      { numRuns: 500 },
    );
  });

  it.each(["localhost", "bank.local", "bank.internal", "intranet", "[::1]", "LOCALHOST.", "2130706433"])(
    "counts the host %s as private",
    (host) => {
      expect(isPrivateHost(host)).toBe(true);
    },
  );

  it.each([
    "https://0x7f000001",
    "https://127.1",
    "https://2130706433",
    "https://bank.example\\@10.0.0.1",
    "https://b ank.example",
  ])("refuses the disguised address %s in production", (text) => {
    expect(() => parsePublicUrl(text, { field: "apiBaseUrl", rules: "production" })).toThrow(DomainError);
  });

  it("keeps an issuer as given and takes trailing slashes off a base", () => {
    const text = "https://bank.example.com/oidc/";
    expect(parsePublicUrl(text, { field: "authServerUrl", rules: "production" })).toBe(text);
    expect(parsePublicUrl(text, { field: "apiBaseUrl", rules: "production", base: true })).toBe(text.slice(0, -1));
  });

  it("never repeats a refused secret", () => {
    const secret = "demo-operator-key";
    try {
      checkChosenSecret(secret, { field: "key", rules: "production", isPublished: () => true });
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify((error as DomainError).facts)).not.toContain(secret);
    }
  });
});
