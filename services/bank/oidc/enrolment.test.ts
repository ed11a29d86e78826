import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type IdentityUnderTest, startIdentity, wallet, walletScope } from "../testing/identity-under-test.ts";

let bank: IdentityUnderTest;
beforeAll(async () => {
  bank = await startIdentity();
});
afterAll(() => bank.stop());

describe("enrolment", () => {
  it("gives a wallet its credential, both references and tokens, with the claims of the contract", async () => {
    const customer = await bank.addCustomer();
    const enrolled = await bank.enrol(customer);
    const keys = createRemoteJWKSet(new URL(`${bank.issuer}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(enrolled.access_token, keys, {
      issuer: bank.issuer,
      audience: `${bank.origin}/open-banking`,
    });
    expect(protectedHeader.alg).toBe("RS256");
    expect(payload).toMatchObject({
      sub: customer.fiUserRef,
      fi_user_ref: customer.fiUserRef,
      bsim_user_id: customer.id,
      client_id: wallet.id,
      scope: expect.stringContaining("fdx:accountdetailed:read"),
    });
    expect(enrolled.refresh_token).toEqual(expect.any(String));
    expect(enrolled.expires_in).toBe(3600);
    const idToken = await jwtVerify(enrolled.id_token, keys, { issuer: bank.issuer, audience: wallet.id });
    expect(idToken.payload).toMatchObject({ nonce: "nonce-1", sub: customer.fiUserRef });
    expect(JSON.stringify(idToken.payload)).not.toContain("credential");
    const credential = decodeJwt(enrolled.credential);
    expect(credential).toMatchObject({
      sub: customer.fiUserRef,
      userId: customer.id,
      walletId: wallet.id,
      cardIds: [customer.visa, customer.mc],
      scope: "wallet:enroll wallet:cards wallet:pay",
      jti: expect.any(String),
    });
    expect((credential.exp ?? 0) - (credential.iat ?? 0)).toBe(90 * 86_400);
  });

  it("answers the redirect with state and the issuer (RFC 9207)", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const { url } = bank.authUrl(wallet, walletScope);
    const consent = await bank.signIn(browser, await browser.open(url), customer);
    const { leftFor } = await browser.submit(consent, {}, "Allow");
    expect(leftFor?.href.startsWith(wallet.redirect)).toBe(true);
    expect(leftFor?.searchParams.get("state")).toBe("state-1");
    expect(leftFor?.searchParams.get("iss")).toBe(bank.issuer);
  });

  it("keeps only a hash of the credential", async () => {
    const { credential, refresh_token } = await bank.enrol(await bank.addCustomer());
    const rows = await bank.db.pool.query(
      "select w::text as text from wallet_credentials w union all select o::text from oidc_records o",
    );
    const stored = JSON.stringify(rows.rows);
    expect(stored).not.toContain(credential);
    expect(stored).not.toContain(credential.split(".")[2]);
    expect(stored).not.toContain(refresh_token);
    expect(stored).not.toContain(Buffer.from(refresh_token).toString("hex"));
    expect(stored).not.toContain(Buffer.from(credential).toString("hex"));
  });

  it("works with the scopes of the design, without offline_access, and yields a refresh token all the same", async () => {
    const enrolled = await bank.enrol(await bank.addCustomer(), { scope: "openid profile email wallet:enroll" });
    expect(enrolled.credential).toEqual(expect.any(String));
    expect((await bank.refresh(enrolled.refresh_token)).status).toBe(200);
  });

  it("needs PKCE with S256", async () => {
    const without = await bank
      .browser()
      .open(bank.authUrl(wallet, walletScope, { code_challenge: "", code_challenge_method: "" }).url);
    expect(without.leftFor?.searchParams.get("error")).toBe("invalid_request");
    const plain = await bank.browser().open(bank.authUrl(wallet, walletScope, { code_challenge_method: "plain" }).url);
    expect(plain.leftFor?.searchParams.get("error")).toBe("invalid_request");
  });

  it("gives tokens for Open Banking whatever resource is asked", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const { url, verifier } = bank.authUrl(wallet, walletScope, { resource: "urn:something:else" });
    const consent = await bank.signIn(browser, await browser.open(url), customer);
    const { leftFor } = await browser.submit(consent, {}, "Allow");
    const { body } = await bank.tokenCall(wallet, {
      grant_type: "authorization_code",
      code: leftFor?.searchParams.get("code") ?? "",
      redirect_uri: wallet.redirect,
      code_verifier: verifier,
      resource: "urn:another:one",
    });
    expect(decodeJwt(body.access_token).aud).toBe(`${bank.origin}/open-banking`);
  });

  it("takes the client's secret in the form or in the header, and no other secret", async () => {
    const { refresh_token } = await bank.enrol(await bank.addCustomer());
    const fields = { grant_type: "refresh_token", refresh_token };
    const basic = (secret: string) => ({ authorization: `Basic ${btoa(`${wallet.id}:${secret}`)}` });
    expect((await bank.form("/token", fields, basic(wallet.secret))).status).toBe(200);
    expect((await bank.form("/token", fields, basic("wrong-secret"))).status).toBe(401);
    const posted = await bank.tokenCall({ ...wallet, secret: "wrong-secret" }, fields);
    expect(posted).toMatchObject({ status: 401, body: { error: "invalid_client" } });
    expect((await bank.form("/token", { ...fields, client_id: wallet.id })).status).toBe(401);
  });

  it("answers under the older spellings of its paths, and builds no address from a caller's host header", async () => {
    for (const path of ["/jwks", "/.well-known/jwks.json"])
      expect((await fetch(`${bank.issuer}${path}`)).status).toBe(200);
    const discovery = await fetch(`${bank.issuer}/.well-known/openid-configuration`, {
      headers: { "x-forwarded-host": "evil.example" },
    });
    expect(await discovery.json()).toMatchObject({
      issuer: bank.issuer,
      token_endpoint: `${bank.issuer}/token`,
      authorization_endpoint: `${bank.issuer}/auth`,
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    });
    expect((await fetch(`${bank.issuer}/authorize`)).status).toBe(400);
  });

  it("survives a restart of the bank between sign-in and consent", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const { url, verifier } = bank.authUrl(wallet, walletScope);
    const page = await browser.open(url);
    await bank.restart();
    const consent = await bank.signIn(browser, page, customer);
    await bank.restart();
    const { leftFor } = await browser.submit(consent, {}, "Allow");
    await bank.restart();
    expect((await bank.exchange(leftFor?.searchParams.get("code") ?? "", verifier)).status).toBe(200);
  });
});

describe("authorization code", () => {
  async function freshCode() {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const { url, verifier } = bank.authUrl(wallet, walletScope);
    const consent = await bank.signIn(browser, await browser.open(url), customer);
    const { leftFor } = await browser.submit(consent, {}, "Allow");
    return { code: leftFor?.searchParams.get("code") ?? "", verifier };
  }

  it("exchanged five times at once works at most once, and ends the grant it came from", async () => {
    const { code, verifier } = await freshCode();
    const answers = await Promise.all(Array.from({ length: 5 }, () => bank.exchange(code, verifier)));
    const won = answers.filter((answer) => answer.status === 200);
    expect(won.length).toBeLessThanOrEqual(1);
    for (const answer of answers) if (answer.status !== 200) expect(answer.body.error).toBe("invalid_grant");
    for (const { body } of won) {
      expect((await bank.refresh(body.refresh_token)).body.error).toBe("invalid_grant");
      expect((await bank.accounts(body.access_token)).status).toBe(401);
    }
  });

  it("used again fails and revokes everything it had given", async () => {
    const enrolled = await bank.enrol(await bank.addCustomer());
    expect((await bank.accounts(enrolled.access_token)).status).toBe(200);
    expect((await bank.exchange(enrolled.code, enrolled.verifier)).body.error).toBe("invalid_grant");
    expect((await bank.refresh(enrolled.refresh_token)).body.error).toBe("invalid_grant");
    expect((await bank.accounts(enrolled.access_token)).status).toBe(401);
    expect(await bank.api("/cards", enrolled.credential)).toMatchObject({
      status: 401,
      body: { error: "credential_revoked" },
    });
  });

  it("is worth nothing with another verifier", async () => {
    const { code } = await freshCode();
    expect((await bank.exchange(code, "v".repeat(43))).body.error).toBe("invalid_grant");
  });
});

describe("refresh token", () => {
  it("rotates, brings the same credential, and may be used twice within 30 seconds", async () => {
    const enrolled = await bank.enrol(await bank.addCustomer());
    const [one, two] = await Promise.all([bank.refresh(enrolled.refresh_token), bank.refresh(enrolled.refresh_token)]);
    for (const answer of [one, two]) {
      expect(answer.status).toBe(200);
      expect(answer.body.refresh_token).not.toBe(enrolled.refresh_token);
      expect(decodeJwt(answer.body.access_token)["wallet_credential"]).toBe(enrolled.credential);
      expect((await bank.refresh(answer.body.refresh_token)).status).toBe(200);
    }
  });

  it("fails outside the grace once rotated, and takes the link with it", async () => {
    const enrolled = await bank.enrol(await bank.addCustomer());
    const rotated = (await bank.refresh(enrolled.refresh_token)).body.refresh_token;
    bank.clock.advance(31_000);
    expect(await bank.refresh(enrolled.refresh_token)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect((await bank.refresh(rotated)).body.error).toBe("invalid_grant");
    expect((await bank.api("/status", enrolled.credential)).body.valid).toBe(false);
  });

  it("survives logout, a new sign-in and a second enrolment", async () => {
    const customer = await bank.addCustomer();
    const browser = bank.browser();
    const first = await bank.enrol(customer, { browser });
    const question = await browser.open(`${bank.issuer}/session/end?client_id=${wallet.id}`);
    expect(question.text).toContain("Sign out");
    await browser.submit(question, { logout: "yes" });
    const second = await bank.enrol(customer, { browser });
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect((await bank.refresh(first.refresh_token)).status).toBe(200);
    expect((await bank.refresh(second.refresh_token)).status).toBe(200);
    expect((await bank.accounts(first.access_token)).status).toBe(200);
  });

  it("brings a new credential under 30 days, the same to all who ask; the old one lives until the new is used", async () => {
    const enrolled = await bank.enrol(await bank.addCustomer());
    bank.clock.advance(59 * 86_400_000);
    const same = await bank.refresh(enrolled.refresh_token);
    expect(decodeJwt(same.body.access_token)["wallet_credential"]).toBe(enrolled.credential);
    bank.clock.advance(2 * 86_400_000);
    const answers = await Promise.all([bank.refresh(same.body.refresh_token), bank.refresh(same.body.refresh_token)]);
    const renewed = answers.map((answer) => String(decodeJwt(answer.body.access_token)["wallet_credential"]));
    expect(new Set(renewed).size).toBe(1);
    const [credential = ""] = renewed;
    expect(credential).not.toBe(enrolled.credential);
    expect((await bank.api("/cards", enrolled.credential)).status).toBe(200);
    expect((await bank.api("/cards", credential)).status).toBe(200);
    expect(await bank.api("/cards", enrolled.credential)).toMatchObject({
      status: 401,
      body: { error: "credential_revoked" },
    });
  });
});

describe("access token", () => {
  it("is introspected, revoked and good for userinfo although it is a JWT", async () => {
    const customer = await bank.addCustomer("Grace Example");
    const { access_token: token } = await bank.enrol(customer);
    const client = { client_id: wallet.id, client_secret: wallet.secret };
    const introspect = async () => (await bank.form("/token/introspect", { token, ...client })).json();
    const userinfo = () => fetch(`${bank.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
    expect(await introspect()).toMatchObject({ active: true, sub: customer.fiUserRef, client_id: wallet.id });
    expect(await (await userinfo()).json()).toEqual({
      sub: customer.fiUserRef,
      name: "Grace Example",
      locale: "en-CA",
      email: customer.email,
      email_verified: true,
    });
    expect((await bank.form("/token/revoke", { token, ...client })).status).toBe(200);
    expect(await introspect()).toEqual({ active: false });
    expect((await userinfo()).status).toBe(401);
    expect((await bank.accounts(token)).status).toBe(401);
  });

  it("of a forger is nothing to introspection, userinfo or Open Banking, and neither is a bare row id", async () => {
    const { access_token: token } = await bank.enrol(await bank.addCustomer());
    const [header, payload] = token.split(".");
    const unsigned = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${payload}.`;
    const client = { client_id: wallet.id, client_secret: wallet.secret };
    for (const forged of [unsigned, `${header}.${payload}.AAAA`, `jwt:${decodeJwt(token).jti}`]) {
      const answer = await bank.form("/token/introspect", { token: forged, ...client });
      expect(await answer.json()).toEqual({ active: false });
      expect((await bank.accounts(forged)).status).toBe(401);
      const userinfo = await fetch(`${bank.issuer}/userinfo`, { headers: { authorization: `Bearer ${forged}` } });
      expect([400, 401]).toContain(userinfo.status);
    }
  });

  it("shows only the accounts its holder agreed to", async () => {
    const customer = await bank.addCustomer();
    const { access_token: token } = await bank.enrol(customer, { fields: { selectedAccounts: customer.chequing } });
    const { body } = await bank.accounts(token);
    expect(body.accounts.map((account: { accountId: string }) => account.accountId)).toEqual([customer.chequing]);
  });
});
