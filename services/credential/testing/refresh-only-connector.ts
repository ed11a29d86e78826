import type { Connector } from "../connectors/connector.ts";

/** A connector of a provider that rotates, for where tokens are refreshed and nothing else is asked; everything else rejects. */
export function refreshOnlyConnector(own: Pick<Connector, "name" | "displayName" | "refresh">): Connector {
  const unused = () => Promise.reject(new Error("this connector only refreshes"));
  return {
    ...own,
    life: "rotating",
    check: async () => {},
    listInstitutions: unused,
    begin: unused,
    complete: unused,
    revoke: unused,
    listAccounts: unused,
  };
}
