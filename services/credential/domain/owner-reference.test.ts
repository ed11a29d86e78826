import { describe, expect, it } from "vitest";
import { ownerReference } from "./owner-reference.ts";

describe("ownerReference", () => {
  it("prefers bsim_user_id, then fi_user_ref, then sub, in whichever token they are", () => {
    const token = { sub: "pseudonym" };
    expect(ownerReference([{ ...token, fi_user_ref: "fi" }, { sub: "s" }, { bsim_user_id: "user" }])).toBe("user");
    expect(ownerReference([token, { fi_user_ref: "fi" }])).toBe("fi");
    expect(ownerReference([token])).toBe("pseudonym");
    expect(ownerReference([{}, {}])).toBeUndefined();
  });

  it("takes nothing for a name that is empty, endless or no text", () => {
    expect(ownerReference([{ bsim_user_id: "", fi_user_ref: 7, sub: "s" }])).toBe("s");
    expect(ownerReference([{ bsim_user_id: "x".repeat(256), sub: "s" }])).toBe("s");
  });
});
