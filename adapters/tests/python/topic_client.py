#!/usr/bin/env python3
"""What a program with YDB's official Python client expects of a topic broker.

Each check is a subcommand, prints one line of JSON and exits with 0 only if all that it expects holds. The last one,
`follow`, is meant to be run while somebody kills the broker and starts it again.
"""
import argparse
import asyncio
import hashlib
import json
import sys

import ydb
from ydb.topic import TopicWriterMessage as Message

PATIENCE = 60.0


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def body(run, number, size):
    """Bytes that belong to one number of one run and to no other."""
    seed = hashlib.sha256(f"{run}/{number}".encode()).digest()
    head = f"{run} {number} ".encode()
    return (head + seed * (size // len(seed) + 1))[: max(size, len(head))]


def number_in(run, data):
    name, number, _ = data.split(b" ", 2)
    expect(name.decode() == run, f"a message of another run: {name!r}")
    number = int(number)
    expect(data == body(run, number, len(data)), f"the body of message {number} is not what was written")
    return number


async def soon(what):
    return await asyncio.wait_for(what, PATIENCE)


async def write(client, args, producer, count, first=0, **kind):
    """Writes, and gives the offsets and how many were passed over as known."""
    offsets, known = [], 0
    async with client.writer(args.topic, producer_id=producer, **kind) as writer:
        await soon(writer.wait_init())
        promised = []
        for number in range(first, first + count):
            promised.append(await writer.write_with_ack_future(Message(data=body(args.run, number, args.size))))
        for promise in promised:
            ack = await soon(promise)
            if hasattr(ack, "offset"):
                offsets.append(ack.offset)
            else:
                known += 1
    expect(offsets == sorted(set(offsets)), "offsets do not rise")
    return offsets, known


async def read(client, args, count):
    """Reads and commits so many messages: what was seen, by partition."""
    seen = {}
    total = 0
    async with client.reader(args.topic, consumer=args.consumer) as reader:
        commits = []
        while total < count:
            batch = await soon(reader.receive_batch())
            for message in batch.messages:
                place = seen.setdefault(message.partition_id, [])
                place.append((message.offset, message.seqno, number_in(args.run, message.data), message.producer_id))
                total += 1
            commits.append(asyncio.ensure_future(reader.commit_with_ack(batch)))
        await soon(asyncio.gather(*commits))
    expect(total == count, f"{total} messages instead of {count}")
    for partition, messages in seen.items():
        offsets = [offset for offset, *_ in messages]
        expect(offsets == list(range(offsets[0], offsets[0] + len(offsets))), f"partition {partition}: offsets {offsets[:9]}")
    return seen


async def basics(client, args):
    """One producer: once each, in order; committed is committed; known numbers are passed over; numbers go on."""
    await client.create_topic(args.topic, min_active_partitions=args.partitions, consumers=[args.consumer],
                              supported_codecs=[ydb.TopicCodec.RAW, ydb.TopicCodec.GZIP])
    try:
        await client.create_topic(args.topic)
        expect(False, "a topic was made twice")
    except ydb.issues.AlreadyExists:
        pass
    codec = ydb.TopicCodec.GZIP if args.gzip else ydb.TopicCodec.RAW
    offsets, known = await write(client, args, "one", args.count, codec=codec)
    expect((len(offsets), known) == (args.count, 0), f"{len(offsets)} written, {known} known")

    seen = await read(client, args, args.count)
    expect(len(seen) == 1, "one producer in several partitions")
    messages = next(iter(seen.values()))
    expect([number for _, _, number, _ in messages] == list(range(args.count)), "not each once, in order")
    expect([offset for offset, *_ in messages] == offsets, "other offsets than were acknowledged")
    expect(all(producer == "one" for *_, producer in messages), "another producer's id")

    # The last numbers again, under the same numbers: passed over, and the producer knows how far it had come.
    async with client.writer(args.topic, producer_id="one", codec=codec, auto_seqno=False) as writer:
        again = [Message(data=b"again", seqno=number) for number in range(args.count - 4, args.count + 1)]
        promised = await writer.write_with_ack_future(again)
        session = await soon(writer.wait_init())
        expect(session.last_seqno == args.count, f"the last number is {session.last_seqno}")
        acks = [await soon(promise) for promise in promised]
        expect(all(not hasattr(ack, "offset") for ack in acks), f"known numbers were written: {acks}")

    # A producer that numbers for itself goes on where it had ended, and a reader where it had committed.
    offsets, known = await write(client, args, "one", 10, first=args.count, codec=codec)
    expect((len(offsets), known) == (10, 0), f"a resumed producer: {len(offsets)} written, {known} known")
    seen = await read(client, args, 10)
    numbers = [number for messages in seen.values() for _, _, number, _ in messages]
    expect(numbers == list(range(args.count, args.count + 10)), f"after the commit came {numbers[:9]}")

    topic = await soon(client.describe_topic(args.topic, include_stats=True))
    expect([consumer.name for consumer in topic.consumers] == [args.consumer], "the consumer is not listed")
    expect(len(topic.partitions) == args.partitions, f"{len(topic.partitions)} partitions")
    return {"written": args.count + 10, "partitions": len(topic.partitions)}


async def spread(client, args):
    """Many producers over several partitions, and explicit partitions."""
    await client.create_topic(args.topic, min_active_partitions=args.partitions, consumers=[args.consumer])
    each = args.count // 10
    await asyncio.gather(*(write(client, args, f"producer-{n}", each, first=n * each) for n in range(10)))
    for partition in range(args.partitions):
        first = 10 * each + partition
        await write(client, args, f"bound-{partition}", 1, first=first, partition_id=partition)
    seen = await read(client, args, 10 * each + args.partitions)
    expect(sorted(seen) == list(range(args.partitions)), f"partitions {sorted(seen)}")
    homes, numbers = {}, []
    for partition, messages in seen.items():
        last = {}
        for _, seqno, number, producer in messages:
            expect(homes.setdefault(producer, partition) == partition, f"{producer} moved")
            expect(seqno > last.get(producer, 0), f"{producer}: numbers do not rise")
            last[producer] = seqno
            numbers.append(number)
    expect(sorted(numbers) == list(range(10 * each + args.partitions)), "not each once")
    for partition in range(args.partitions):
        expect(homes[f"bound-{partition}"] == partition, f"bound-{partition} is in {homes[f'bound-{partition}']}")
    return {"written": len(numbers), "partitions": len(seen)}


async def manage(client, args):
    """Topics are made, changed and dropped; what is not there is said so."""
    await client.create_topic(args.topic, consumers=["a", "b"])
    await client.alter_topic(args.topic, add_consumers=["c"], drop_consumers=["a"], set_min_active_partitions=3)
    topic = await soon(client.describe_topic(args.topic))
    expect(sorted(consumer.name for consumer in topic.consumers) == ["b", "c"], "other consumers")
    expect(len(topic.partitions) == 3, f"{len(topic.partitions)} partitions")
    # Names may be absolute, below the database.
    absolute = await soon(client.describe_topic(f"{args.database}/{args.topic}"))
    expect(len(absolute.partitions) == 3, "another topic under the absolute name")
    await write(client, args, "p", 3, partition_id=1)
    await client.commit_offset(args.topic, "b", 1, 2)
    consumer = await soon(client.describe_consumer(args.topic, "b", include_stats=True))
    committed = [partition.partition_consumer_stats.committed_offset for partition in consumer.partitions]
    expect(committed == [0, 2, 0], f"committed {committed}")
    await client.drop_topic(args.topic)
    for gone in (client.describe_topic(args.topic), client.drop_topic(args.topic)):
        try:
            await soon(gone)
            expect(False, "a topic that was dropped is there")
        except ydb.issues.SchemeError:
            pass
    return {}


async def follow(client, args):
    """Writes and reads at the same time, through whatever happens to the broker."""
    try:
        await client.create_topic(args.topic, consumers=[args.consumer])
    except ydb.issues.AlreadyExists:
        pass
    places, again = {}, 0

    async def writing():
        async with client.writer(args.topic, producer_id="one") as writer:
            promised = []
            for number in range(args.count):
                promised.append(await writer.write_with_ack_future(Message(data=body(args.run, number, args.size))))
                # Never far ahead of what is acknowledged: whatever happens, happens to messages under way.
                if number % 100 == 99:
                    await asyncio.sleep(args.pause)
                    await soon(promised[max(0, number - 150)])
            for promise in promised:
                await soon(promise)

    async def reading():
        nonlocal again
        async with client.reader(args.topic, consumer=args.consumer) as reader:
            while len(places) < args.count:
                batch = await soon(reader.receive_batch())
                for message in batch.messages:
                    place = (message.partition_id, message.offset)
                    number = number_in(args.run, message.data)
                    # What was not committed when the broker went may come again, at its own place.
                    again += place in places
                    expect(places.setdefault(place, number) == number, f"{place} holds another message now")
                    if len(places) % 100 == 0:
                        print(json.dumps({"read": len(places)}), flush=True)
                try:
                    reader.commit(batch)
                except ydb.TopicReaderPartitionExpiredError:
                    pass

    await asyncio.gather(writing(), reading())
    numbers = [places[place] for place in sorted(places)]
    expect(numbers == list(range(args.count)), "not each once, in order")
    return {"written": args.count, "again": again}


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    checks = {check.__name__: check for check in (basics, spread, manage, follow)}
    parser.add_argument("check", choices=checks)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--database", default="/local")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--consumer", default="reader")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--token")
    parser.add_argument("--root-certificate", help="a file; the endpoint is then one that speaks TLS")
    args = parser.parse_args()
    args.run = args.topic
    credentials = ydb.AccessTokenCredentials(args.token) if args.token else ydb.AnonymousCredentials()
    root = None
    if args.root_certificate:
        with open(args.root_certificate, "rb") as file:
            root = file.read()
    config = ydb.DriverConfig(endpoint=args.endpoint, database=args.database, credentials=credentials,
                              root_certificates=root)
    async with ydb.aio.Driver(config) as driver:
        await driver.wait(timeout=PATIENCE, fail_fast=True)
        found = await checks[args.check](driver.topic_client, args)
    print(json.dumps({"check": args.check, "ok": True, **found}), flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Exception as error:  # whatever it is: the caller sees one line
        print(json.dumps({"ok": False, "error": f"{type(error).__name__}: {error}"}), flush=True)
        sys.exit(1)
