// OpenAI's own client for Node against a running stack: the Python suite's list (tests/acceptance/test_openai_sdk.py)
// by other hands. Asks HALFPENNY_URL as HALFPENNY_KEY; HALFPENNY_KEY_SLOW is a key with one request a minute.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { HALFPENNY_URL, HALFPENNY_KEY, HALFPENNY_KEY_SLOW, HALFPENNY_UPSTREAM_URL } = process.env;

const clientOf = (apiKey, options = {}) =>
  new OpenAI({ baseURL: `${HALFPENNY_URL}/v1`, apiKey, maxRetries: 0, ...options });
const client = clientOf(HALFPENNY_KEY);

/** The messages of a question that nobody has asked before. */
const asked = (text) => [{ role: "user", content: `${text} (${randomUUID().slice(0, 6)})` }];
const ask = (text, fields = {}) =>
  client.chat.completions.create({ model: "auto", messages: asked(text), ...fields });

async function streamed(messages, fields = {}) {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({
    model: "auto",
    messages,
    stream: true,
    ...fields,
  })) {
    chunks.push(chunk);
  }
  return chunks;
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
const finishOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean);

async function eventually(holds, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await holds()) return true;
    await sleep(50);
  }
  return holds();
}

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

test("a question is answered", async () => {
  const answer = await ask("What is the capital of France?");
  assert.match(answer.choices[0].message.content, /Paris/);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("a stream comes in pieces and tells its usage only if asked", async () => {
  const silent = await streamed(asked("Why is the sky blue?"));
  assert.ok(silent.length > 5);
  assert.deepEqual(finishOf(silent), ["stop"]);
  assert.ok(silent.every((chunk) => !chunk.usage));

  const told = await streamed(asked("Why is the sky blue?"), { stream_options: { include_usage: true } });
  assert.deepEqual(told.at(-1).choices, []);
  assert.ok(told.at(-1).usage.completion_tokens > 0);
});

/** Ask in one of the two ways and return what both tell. */
async function told(messages, stream) {
  const fields = stream ? { stream, stream_options: { include_usage: true } } : {};
  const { data, response } = await client.chat.completions
    .create({ model: "auto", messages, ...fields })
    .withResponse();
  const cache = response.headers.get("x-gateway-cache");
  if (!stream) {
    return { cache, id: data.id, text: data.choices[0].message.content, usage: data.usage };
  }
  const chunks = [];
  for await (const chunk of data) chunks.push(chunk);
  return { cache, id: chunks[0].id, text: textOf(chunks), usage: chunks.at(-1).usage };
}

for (const first of [false, true]) {
  for (const second of [false, true]) {
    test(`an answer asked with stream=${first} is the same hit with stream=${second}`, async () => {
      const messages = asked("Why do leaves turn red?");
      const before = await told(messages, first);
      let hit;
      assert.ok(await eventually(async () => (hit = await told(messages, second)).cache === "hit_exact"));
      assert.equal(hit.text, before.text);
      assert.deepEqual(hit.usage, before.usage);
      assert.notEqual(hit.id, before.id);
    });
  }
}

test("a tool is called and its result answered", async () => {
  const messages = asked("Use get_weather for Paris");
  const first = await client.chat.completions.create({ model: "auto", messages, tools: [WEATHER] });
  const [call] = first.choices[0].message.tool_calls;
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
  const second = await client.chat.completions.create({
    model: "auto",
    messages: [
      ...messages,
      first.choices[0].message,
      { role: "tool", tool_call_id: call.id, content: "21 degrees" },
    ],
    tools: [WEATHER],
  });
  assert.match(second.choices[0].message.content, /21 degrees/);
});

test("the client's own loop runs a tool to its end", async () => {
  const cities = [];
  const runner = client.chat.completions.runTools({
    model: "auto",
    messages: asked("Use get_weather for Oslo"),
    stream: true,
    tools: [
      {
        type: "function",
        function: {
          ...WEATHER.function,
          parse: JSON.parse,
          function: ({ city }) => {
            cities.push(city);
            return "17 degrees";
          },
        },
      },
    ],
  });
  assert.match(await runner.finalContent(), /17 degrees/);
  assert.deepEqual(cities, ["Oslo"]);
});

test("structured output is parsed", async () => {
  const place = z.object({ city: z.string(), population: z.number().int() });
  const wish = {
    model: "auto",
    messages: asked("The city Lisbon has 545000 people"),
    response_format: zodResponseFormat(place, "place"),
  };
  const plain = await client.chat.completions.parse(wish);
  assert.deepEqual(plain.choices[0].message.parsed, { city: "Lisbon", population: 545000 });
  const stream = client.chat.completions.stream({ ...wish, messages: asked("The city Lisbon has 545000 people") });
  const final = await stream.finalChatCompletion();
  assert.deepEqual(final.choices[0].message.parsed, { city: "Lisbon", population: 545000 });
});

test("images are passed on", async () => {
  const content = [
    { type: "text", text: `What is in this picture? (${randomUUID().slice(0, 6)})` },
    { type: "image_url", image_url: { url: PIXEL } },
  ];
  const answer = await client.chat.completions.create({ model: "auto", messages: [{ role: "user", content }] });
  assert.match(answer.choices[0].message.content, /^I looked at 1 image\./);
});

test("several answers, few tokens and log probabilities are had for the asking", async () => {
  const several = await ask("What is the capital of Italy?", { n: 2, seed: 7, stop: ["never said"] });
  assert.deepEqual(several.choices.map((choice) => choice.index), [0, 1]);
  const short = await ask("Tell me about the sea", { max_completion_tokens: 3, logprobs: true, top_logprobs: 1 });
  assert.equal(short.choices[0].finish_reason, "length");
  const tokens = short.choices[0].logprobs.content.map((each) => each.token);
  assert.equal(tokens.join(""), short.choices[0].message.content);
});

/** Assert that a failure has this class, and the error object with this code. */
async function failsAs(work, kind, code) {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.requestID, /^req_/);
    return true;
  });
}

test("every refusal is the error that the client knows", async () => {
  await failsAs(() => ask("Hello", { temperature: 9 }), OpenAI.BadRequestError, "invalid_request");
  await failsAs(() => ask("Hello", { model: "gpt-nothing" }), OpenAI.NotFoundError, "model_not_found");
  const stranger = clientOf("hp_wrong_key");
  const wish = { model: "auto", messages: asked("Hello") };
  await failsAs(() => stranger.chat.completions.create(wish), OpenAI.AuthenticationError, "invalid_api_key");
  const slow = clientOf(HALFPENNY_KEY_SLOW);
  const thrice = async () => {
    // A minute may turn between two of them, not twice.
    for (let time = 0; time < 3; time += 1) await slow.chat.completions.create(wish);
  };
  await failsAs(thrice, OpenAI.RateLimitError, "rate_limit_exceeded");
});

test("a final failure is not asked again by the client", async () => {
  let sent = 0;
  const counting = clientOf(HALFPENNY_KEY, {
    maxRetries: 2,
    fetch: (...request) => {
      sent += 1;
      return fetch(...request);
    },
  });
  const wish = { model: "auto", messages: asked("[[fault:500]] please") };
  await failsAs(() => counting.chat.completions.create(wish), OpenAI.InternalServerError, "upstream_unavailable");
  assert.equal(sent, 1);
});

const ledger = async () => (await fetch(HALFPENNY_UPSTREAM_URL.replace(/\/v1$/, "/ledger"))).json();
const closedUpstream = async (before) => {
  const now = await ledger();
  return now.hung_up === before.hung_up + 1 && now.open === before.open;
};

test("a stream that is aborted is closed upstream within a second", async () => {
  const before = await ledger();
  const stream = await client.chat.completions.create({
    model: "auto",
    messages: asked("[[fault:stream-endless]] please"),
    stream: true,
  });
  let received = 0;
  for await (const _ of stream) {
    received += 1;
    if (received === 5) stream.controller.abort();
  }
  assert.ok(await eventually(() => closedUpstream(before), 1));
});

test("a client that gives up waiting ends the call", async () => {
  const before = await ledger();
  const wish = { model: "auto", messages: asked("[[fault:hang]] please") };
  await assert.rejects(
    () => client.chat.completions.create(wish, { timeout: 500 }),
    OpenAI.APIConnectionTimeoutError,
  );
  assert.ok(await eventually(() => closedUpstream(before), 1));
});

for (const fault of ["stream-cut", "stream-error", "stream-badjson"]) {
  test(`a stream that breaks (${fault}) is an error and never a hit`, async () => {
    // Counted by all of its numbers: the last makes it this run's own.
    const once = Math.floor(Math.random() * 1e9);
    const messages = asked(`[[fault:${fault}:1:${once}]] Why is the sea salty?`);
    await assert.rejects(() => streamed(messages), OpenAI.APIError);
    const { response } = await client.chat.completions.create({ model: "auto", messages }).withResponse();
    assert.ok(!response.headers.get("x-gateway-cache").startsWith("hit"));
  });
}

test("models are listed and shown", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(["auto", "small-1", "demo/small-1"].every((name) => names.includes(name)));
  assert.equal((await client.models.retrieve("demo/small-1")).owned_by, "demo");
});

test("texts are embedded", async () => {
  const input = ["The sky is blue", "The heavens are azure", "Rust never sleeps"];
  const answer = await client.embeddings.create({ model: "auto", input });
  const [first, second, third] = answer.data.map((each) => each.embedding);
  const similarity = (a, b) => a.reduce((sum, value, place) => sum + value * b[place], 0);
  assert.equal(first.length, 384);
  assert.ok(similarity(first, second) > similarity(first, third));
});
