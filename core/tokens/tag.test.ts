import { expect, test } from "@jest/globals";
import { newTagKey, TAG_LENGTH, tagMatches, tagOf } from "./tag.ts";
import { SESSION } from "./testing/session.ts";

test("a tag fits its session and its tenant's keys, old and new", () => {
  const [old, current, foreign] = [newTagKey(), newTagKey(), newTagKey()];
  const tag = tagOf(old, SESSION);
  expect(tag).toHaveLength(TAG_LENGTH);
  expect(tagMatches([current, old], SESSION, tag)).toBe(true);
  expect(tagMatches([foreign], SESSION, tag)).toBe(false);
  expect(tagMatches([], SESSION, tag)).toBe(false);
  expect(tagMatches([old], SESSION.replace(/1$/, "2"), tag)).toBe(false);
});

test.each([
  "",
  "A",
  "A".repeat(TAG_LENGTH),
  "A".repeat(TAG_LENGTH + 1),
  "ä".repeat(TAG_LENGTH),
  "\0".repeat(TAG_LENGTH),
])("%j is no tag", (tag) => {
  expect(tagMatches([newTagKey()], SESSION, tag)).toBe(false);
});
