/** Ids, tenants and types: what is accepted, and what a refusal says. */

import { describe, expect, test } from "vitest";
import { formatAddress, idProblem, tenantProblem, typeProblem } from "../../src/core/address.ts";

describe("an id", () => {
  test.each(["a", "user-1", "a/b:c", " a ", "ünïcödé", "👩‍🚀", "..", "__proto__", "x".repeat(256), "é".repeat(128)])(
    "may be %j",
    (id) => {
      expect(idProblem(id)).toBeNull();
    },
  );

  test.each([
    ["", /empty or blank/],
    ["  ", /empty or blank/],
    ["\t\n", /empty or blank/],
    ["\u00a0\u2003", /empty or blank/],
    ["x".repeat(257), /at most 256 bytes/],
    ["é".repeat(129), /at most 256 bytes/],
    ["a\u0000b", /Unicode|control/],
    ["a\nb", /control characters/],
    ["a\u007f", /control characters/],
    ["\ud800", /well-formed/],
    [5, /not number/],
    [null, /not null/],
    [undefined, /not undefined/],
    [{}, /not object/],
  ])("may not be %j", (id, problem) => {
    expect(idProblem(id)).toMatch(problem);
  });
});

describe("a tenant", () => {
  test.each(["", "acme", "x".repeat(256)])("may be %j", (tenant) => {
    expect(tenantProblem(tenant)).toBeNull();
  });

  test.each([
    [" ", /blank/],
    ["x".repeat(257), /at most 256 bytes/],
    ["a\u0001", /control characters/],
    [undefined, /not undefined/],
    [null, /not null/],
  ])("may not be %j", (tenant, problem) => {
    expect(tenantProblem(tenant)).toMatch(problem);
  });
});

describe("a type", () => {
  test.each(["counter", "shop.cart", "a_b-c.D9", "x".repeat(64)])("may be %j", (type) => {
    expect(typeProblem(type)).toBeNull();
  });

  test.each([
    ["", /not empty/],
    [5, /is a string/],
    ["x".repeat(65), /at most 64 characters/],
    ["a b", /letters, digits/],
    ["a/b", /letters, digits/],
    ["café", /letters, digits/],
    ["a\n", /letters, digits/],
  ])("may not be %j", (type, problem) => {
    expect(typeProblem(type)).toMatch(problem);
  });
});

test("an address is written with its tenant, if it has one", () => {
  expect(formatAddress({ tenant: "", type: "cart", id: "1" })).toBe("cart/1");
  expect(formatAddress({ tenant: "acme", type: "cart", id: "1" })).toBe("acme:cart/1");
});
