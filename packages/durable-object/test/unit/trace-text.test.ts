/** The context of a span as a text that goes along with calls and alarms. */

import { describe, expect, test } from "vitest";
import { spanContextOf, traceText } from "../../src/otel/trace-text.ts";

describe("the context as a text", () => {
  const span = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };

  test("there and back, with its sampling and its tracestate", () => {
    const text = `00-${span.traceId}-${span.spanId}-01 vendor=a:b=c,other=1`;
    const context = spanContextOf(text);
    expect(context).toMatchObject({ ...span, isRemote: true });
    expect(context?.traceState?.get("vendor")).toBe("a:b=c");
    expect(context === null ? null : traceText(context)).toBe(text);
    expect(context?.traceState?.set("mine", "2").unset("other").serialize()).toBe("mine=2,vendor=a:b=c");
    expect(traceText({ ...span, traceFlags: 0 })).toMatch(/-00$/);
  });

  test("what is none is none, and a tracestate that is too long stays behind", () => {
    for (const text of ["", "00", `00-${"0".repeat(32)}-${span.spanId}-01`, `xx-${span.traceId}-${span.spanId}-01`]) {
      expect(spanContextOf(text)).toBeNull();
    }
    expect(traceText({ ...span, traceId: "0".repeat(32) })).toBeNull();
    const long = spanContextOf(`00-${span.traceId}-${span.spanId}-01 a=${"x".repeat(600)}`);
    expect(long === null ? null : traceText(long)).toBe(`00-${span.traceId}-${span.spanId}-01`);
  });
});
