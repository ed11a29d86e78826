import type { AdapterFactory, AdapterPayload } from "oidc-provider";

/**
 * What the test bank remembers, by model and id. A refresh token counts as unused for `graceMs` after its rotation, as the banks
 * of the ecosystem promise.
 */
export function createMemoryAdapter(graceMs: () => number): AdapterFactory {
  const rows = new Map<string, AdapterPayload>();
  const isGone = (row: AdapterPayload) => row.exp !== undefined && row.exp * 1000 < Date.now();

  const findBy = (model: string, member: "uid" | "userCode", value: string): AdapterPayload | undefined =>
    [...rows].find(([key, row]) => key.startsWith(`${model}:`) && row[member] === value)?.[1];

  return (model) => ({
    upsert: async (id, payload) => {
      rows.set(`${model}:${id}`, payload);
    },
    find: async (id) => {
      const row = rows.get(`${model}:${id}`);
      if (row === undefined || isGone(row)) return undefined;
      const { consumed, ...unconsumed } = row;
      const inGrace = typeof consumed === "number" && Date.now() - consumed < graceMs();
      return model === "RefreshToken" && inGrace ? unconsumed : row;
    },
    findByUid: async (uid) => findBy(model, "uid", uid),
    findByUserCode: async (userCode) => findBy(model, "userCode", userCode),
    consume: async (id) => {
      const row = rows.get(`${model}:${id}`);
      if (row !== undefined) row["consumed"] ??= Date.now();
    },
    destroy: async (id) => {
      rows.delete(`${model}:${id}`);
    },
    revokeByGrantId: async (grantId) => {
      for (const [key, row] of rows) if (row.grantId === grantId) rows.delete(key);
    },
  });
}
