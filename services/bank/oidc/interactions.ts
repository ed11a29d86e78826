import type { IncomingMessage, ServerResponse } from "node:http";
import type Provider from "oidc-provider";
import type { Interaction, InteractionResults } from "oidc-provider";

/** A sign-in or consent under way, as its pages see it. */
export interface OpenInteraction {
  readonly uid: string;
  readonly clientId: string;
  /** What the OIDC server waits for. */
  readonly prompt: "login" | "consent";
  readonly scopes: readonly string[];
  readonly loginHint: string | undefined;
  /** Whom the browser is signed in as, if that is still who the interaction began with. */
  readonly fiUserRef: string | undefined;
}

/** Interactions of the OIDC server, held in the database and bound to the browser by a cookie. */
export interface Interactions {
  /** The interaction `uid`, if it is open and this browser's. */
  open(request: IncomingMessage, response: ServerResponse, uid: string): Promise<OpenInteraction | undefined>;
  /** Ends the sign-in with this customer; returns where the browser goes next. */
  signedIn(request: IncomingMessage, response: ServerResponse, uid: string, fiUserRef: string): Promise<string>;
  /** Ends the consent with a grant; returns where the browser goes next. */
  granted(uid: string, grantId: string): Promise<string>;
  /** Ends the interaction with `access_denied`; returns where the browser goes next. */
  denied(uid: string): Promise<string>;
  /** Whom the browser is signed in as, by the OIDC server's session. */
  signedInAs(request: IncomingMessage, response: ServerResponse): Promise<string | undefined>;
}

/** Makes the interface over a provider. */
export function createInteractions(provider: Provider): Interactions {
  const contextOf = (request: IncomingMessage, response: ServerResponse) => provider.createContext(request, response);
  const sessionOf = (request: IncomingMessage, response: ServerResponse) =>
    provider.Session.get(contextOf(request, response));
  return {
    async open(request, response, uid) {
      const cookie = contextOf(request, response).cookies.get(provider.cookieName("interaction"), { signed: true });
      if (cookie !== uid) return undefined;
      const interaction = await provider.Interaction.find(uid);
      const name = interaction?.prompt.name;
      if (interaction === undefined || (name !== "login" && name !== "consent")) return undefined;
      return {
        uid,
        clientId: text(interaction.params["client_id"]) ?? "",
        prompt: name,
        scopes: (text(interaction.params["scope"]) ?? "").split(" ").filter((scope) => scope !== ""),
        loginHint: text(interaction.params["login_hint"]),
        fiUserRef: samePrincipal(interaction, (await sessionOf(request, response)).accountId),
      };
    },
    async signedIn(request, response, uid, fiUserRef) {
      const interaction = await load(provider, uid);
      const session = await sessionOf(request, response);
      // The server would sign the other customer out by a page of its own, and lose this interaction on the way. Ending
      // his browser session here does the same: what he granted to wallets is not tied to it.
      if (session.accountId !== undefined && session.accountId !== fiUserRef) await session.destroy();
      interaction.session = undefined;
      return finish(interaction, { login: { accountId: fiUserRef, amr: ["pwd"] } });
    },
    async granted(uid, grantId) {
      const interaction = await load(provider, uid);
      // Whoever is signed in was checked by account; a session begun anew for the same customer is as good.
      interaction.session = undefined;
      return finish(interaction, { consent: { grantId } });
    },
    async denied(uid) {
      const interaction = await load(provider, uid);
      interaction.result = { error: "access_denied", error_description: "the customer denied the request" };
      await interaction.persist();
      return interaction.returnTo;
    },
    signedInAs: async (request, response) => (await sessionOf(request, response)).accountId,
  };
}

// Another tab may have signed somebody else in since; then nobody's consent can be asked for before a new sign-in.
function samePrincipal(interaction: Interaction, now: string | undefined): string | undefined {
  return interaction.session?.accountId === now ? now : undefined;
}

async function load(provider: Provider, uid: string): Promise<Interaction> {
  const interaction = await provider.Interaction.find(uid);
  if (interaction === undefined) throw new Error("the interaction ended while it was answered");
  return interaction;
}

async function finish(interaction: Interaction, result: InteractionResults): Promise<string> {
  // What an earlier step of the same request decided stays decided, a sign-in that prompt=login asked for among it.
  interaction.result = { ...interaction.lastSubmission, ...result };
  await interaction.persist();
  return interaction.returnTo;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
