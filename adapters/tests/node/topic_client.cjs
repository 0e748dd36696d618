// What a program with YDB's official JavaScript client (`ydb-sdk`) expects of a topic broker.
//
// Each check prints one line of JSON at its end and exits with 0 only if all that it expects holds. The last one,
// `survive`, is meant to be run while somebody kills the broker and starts it again: this client gives up whatever is
// under way when a stream breaks, so that the program must send again, and the broker must know what it has.
"use strict";

const { createHash } = require("node:crypto");
const { parseArgs } = require("node:util");
const { AnonymousAuthService, Driver, TokenAuthService } = require("ydb-sdk");

const PATIENCE = 60_000;
const SUCCESS = 400000;
const SCHEME_ERROR = 400070;
const ALREADY_EXISTS = 400130;

const { positionals: [check], values } = parseArgs({
    allowPositionals: true,
    options: {
        endpoint: { type: "string" },
        database: { type: "string", default: "/local" },
        topic: { type: "string" },
        consumer: { type: "string", default: "reader" },
        count: { type: "string", default: "1000" },
        size: { type: "string", default: "1024" },
        partitions: { type: "string", default: "1" },
        token: { type: "string" },
    },
});
const args = { ...values, count: +values.count, size: +values.size, partitions: +values.partitions };

const silence = () => {};
const logger = { fatal: silence, error: silence, warn: silence, info: silence, debug: silence, trace: silence };

function expect(holds, what) {
    if (!holds) throw new Error(what);
}

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

function soon(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Bytes that belong to one number of one run and to no other.
function body(number) {
    const seed = createHash("sha256").update(`${args.topic}/${number}`).digest();
    const head = Buffer.from(`${args.topic} ${number} `);
    return Buffer.concat([head, Buffer.alloc(Math.max(0, args.size - head.length), seed)]);
}

function numberIn(data) {
    const bytes = Buffer.from(data);
    const number = +bytes.subarray(0, 200).toString("latin1").split(" ")[1];
    expect(bytes.equals(body(number)), `the body of message ${number} is not what was written`);
    return number;
}

const driverOf = async () => {
    const authService = args.token ? new TokenAuthService(args.token, args.database) : new AnonymousAuthService();
    const driver = new Driver({ endpoint: args.endpoint, database: args.database, authService, logger });
    expect(await driver.ready(PATIENCE), "the broker is not found");
    return driver;
};

// What is sent for a number: raw, which the client says only if it is told to.
const message = (number) => ({ messages: [{ data: body(number) }], codec: 1 });

// Numbers are given by the client, from the last that the broker has on; each message in a call of its own, as this
// client wants it. Gives the offsets, and how many were passed over as known.
async function write(topics, producerId, from, to, more = {}) {
    const writer = await topics.createWriter({ path: args.topic, producerId, getLastSeqNo: true, ...more });
    const sent = [];
    for (let number = from; number < to; number += 1) sent.push(writer.send(message(number)));
    const acks = await soon(Promise.all(sent), "acknowledgements");
    await writer.close();
    const offsets = acks.filter((ack) => ack.written).map((ack) => Number(ack.written.offset ?? 0));
    expect(offsets.every((offset, at) => at === 0 || offset > offsets[at - 1]), "offsets do not rise");
    return { offsets, known: acks.length - offsets.length };
}

// Reads and commits so many messages: what was seen, by partition.
async function read(topics, count) {
    const reader = await topics.createReader({
        topicsReadSettings: [{ path: args.topic }],
        consumer: args.consumer,
        receiveBufferSizeInBytes: 1 << 20,
    });
    const seen = new Map();
    let total = 0;
    const all = async () => {
        for await (const message of reader.messages) {
            const partition = Number(message.partitionSessionId);
            if (!seen.has(partition)) seen.set(partition, []);
            seen.get(partition).push({
                offset: Number(message.offset ?? 0),
                seqNo: Number(message.seqNo),
                number: numberIn(message.data),
                producer: message.producerId,
            });
            await message.commit();
            total += 1;
            if (total === count) return;
        }
    };
    await soon(all(), `${count} messages`);
    for (const messages of seen.values()) {
        const first = messages[0].offset;
        expect(messages.every(({ offset }, at) => offset === first + at), "offsets with gaps");
    }
    await committed(topics, count);
    await reader.close(true);
    return [...seen.values()];
}

// The client does not say when a commit is durable: whoever asks for the consumer is told.
async function committed(topics, more) {
    const { decode } = require("ydb-sdk").Ydb.Topic.DescribeConsumerResult;
    const target = (committed.sum ?? 0) + more;
    for (const end = Date.now() + PATIENCE; ; await pause(20)) {
        const asked = { path: args.topic, consumer: args.consumer, includeStats: true };
        const { partitions } = decode(await answers(topics.describeConsumer(asked)));
        const sum = partitions.reduce((sum, one) => sum + Number(one.partitionConsumerStats?.committedOffset ?? 0), 0);
        expect(sum <= target && Date.now() < end, `committed ${sum} instead of ${target}`);
        if (sum === target) break;
    }
    committed.sum = target;
}

function create(topics) {
    return topics.createTopic({
        path: args.topic,
        partitioningSettings: { minActivePartitions: args.partitions },
        consumers: [{ name: args.consumer }],
    });
}

// The client leaves the status of a call to the program.
async function answers(call, status = SUCCESS) {
    const { operation } = await soon(call, "the answer to a call");
    expect(operation.status === status, `the answer is ${operation.status}, not ${status}: ${JSON.stringify(operation.issues)}`);
    return operation.result?.value;
}

const checks = {
    // One producer: once each, in order; committed is committed; numbers go on where they had ended.
    async basics(topics) {
        await answers(create(topics));
        await answers(create(topics), ALREADY_EXISTS);
        const { offsets, known } = await write(topics, "one", 0, args.count);
        expect(offsets.length === args.count && known === 0, `${offsets.length} written, ${known} known`);
        const seen = await read(topics, args.count);
        expect(seen.length === 1, "one producer in several partitions");
        expect(seen[0].every(({ number }, at) => number === at), "not each once, in order");
        expect(seen[0].every(({ offset }, at) => offset === offsets[at]), "other offsets than were acknowledged");
        expect(seen[0].every(({ producer }) => producer === "one"), "another producer's id");
        await write(topics, "one", args.count, args.count + 10);
        const [rest] = await read(topics, 10);
        expect(rest.every(({ number }, at) => number === args.count + at), "after the commit came others");
        expect(rest.every(({ seqNo }, at) => seqNo === args.count + at + 1), "numbers do not go on");
        return { written: args.count + 10 };
    },

    // Many producers over several partitions.
    async spread(topics) {
        await answers(create(topics));
        const each = args.count / 10;
        const producers = Array.from({ length: 10 }, (_, n) => `producer-${n}`);
        await Promise.all(producers.map((name, n) => write(topics, name, n * each, (n + 1) * each)));
        const seen = await read(topics, args.count);
        const homes = new Map(), numbers = [];
        seen.forEach((messages, partition) => {
            const last = new Map();
            for (const { seqNo, number, producer } of messages) {
                expect((homes.get(producer) ?? partition) === partition, `${producer} moved`);
                homes.set(producer, partition);
                expect(seqNo > (last.get(producer) ?? 0), `${producer}: numbers do not rise`);
                last.set(producer, seqNo);
                numbers.push(number);
            }
        });
        numbers.sort((a, b) => a - b);
        expect(numbers.every((number, at) => number === at), "not each once");
        return { written: numbers.length, partitions: seen.length };
    },

    // Topics are made, described and dropped; what is not there is said so.
    async manage(topics) {
        await answers(create(topics));
        await answers(topics.alterTopic({ path: args.topic, addConsumers: [{ name: "more" }] }));
        const described = await answers(topics.describeTopic({ path: `${args.database}/${args.topic}` }));
        const { consumers, partitions } = require("ydb-sdk").Ydb.Topic.DescribeTopicResult.decode(described);
        expect(consumers.map(({ name }) => name).sort().join() === ["more", args.consumer].sort().join(), "other consumers");
        expect(partitions.length === args.partitions, `${partitions.length} partitions`);
        await answers(topics.dropTopic({ path: args.topic }));
        await answers(topics.describeTopic({ path: args.topic }), SCHEME_ERROR);
        return {};
    },

    // Everything once, whatever happens to the broker: what was not acknowledged is sent again behind the last number
    // that the broker knows.
    async survive(topics, driver) {
        await answers(create(topics));
        let stored = 0, sessions = 0;
        while (stored < args.count) {
            sessions += 1;
            const writer = await topics.createWriter({ path: args.topic, producerId: "one", getLastSeqNo: true });
            try {
                // The client has no word for how far a producer had come; its first numbers show it, once it is told.
                for (const end = Date.now() + 5000; writer.lastSeqNo === undefined; await pause(5)) {
                    expect(Date.now() < end && !writer.reasonForClose, "no session");
                }
                stored = Number(writer.lastSeqNo);
                while (stored < args.count) {
                    const sent = [];
                    for (let number = stored; number < Math.min(stored + 50, args.count); number += 1) {
                        sent.push(writer.send(message(number)));
                    }
                    await soon(Promise.all(sent), "acknowledgements");
                    stored += sent.length;
                    if (stored % 100 === 0) console.log(JSON.stringify({ read: stored }));
                    await pause(20);
                }
                await writer.close();
            } catch (error) {
                if (/waited in vain/.test(error.message)) throw error;
                await writer.close(true).catch(() => {});
                await driver.again();
                topics = driver.topic;
                await pause(100);
            }
        }
        const [messages] = await read(topics, args.count);
        expect(messages.every(({ number }, at) => number === at), "not each once, in order");
        return { written: stored, sessions };
    },
};

async function main() {
    expect(checks[check], `no check ${check}`);
    const held = {
        async again() {
            // Streams of the old one may be open.
            this.driver?.destroy(1000).catch(() => {});
            for (const end = Date.now() + PATIENCE; ;) {
                try {
                    this.driver = await driverOf();
                    return;
                } catch (error) {
                    if (Date.now() > end) throw error;
                    await pause(100);
                }
            }
        },
        get topic() { return this.driver.topic; },
    };
    await held.again();
    const found = await checks[check](held.topic, held);
    console.log(JSON.stringify({ check, ok: true, ...found }));
}

// Streams that the client keeps open would keep the process.
main().then(() => process.exit(0), (error) => {
    console.log(JSON.stringify({ ok: false, error: String(error?.stack ?? error) }));
    process.exit(1);
});
process.on("unhandledRejection", () => {});
