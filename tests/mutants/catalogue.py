"""The mutants that narrow tests find: guards of the engine, each taken out or turned round, and the tests that miss it.

For each file of the package: a sentence that says what is wrong then, the text that goes, what comes in its place, and
the tests of which one must fail. Where you change a text that stands here, change it here too; where you take it out
because nothing needs it, take the mutant out with it. A new guard is worth a line here and a test that finds it.
"""

from __future__ import annotations

from tests.mutants.narrow import NarrowMutant

__all__ = ["MUTANTS", "QUICK"]


def _of(file: str, *faults: tuple[str, ...]) -> tuple[NarrowMutant, ...]:
    return tuple(
        NarrowMutant(name=name, file=file, old=old, new=new, tests=tuple(tests))
        for name, old, new, *tests in faults
    )


MUTANTS = (
    *_of(
        "session/loop.py",
        (
            "nothing is read first after a suspend",
            "if now - self._due_at > LATE and self.judge",
            "if False and self.judge",
            "session/test_loop.py",
        ),
        (
            "a drain that is late itself judges",
            "and self._drains < DRAINS",
            "and not self._drains",
            "session/test_loop.py",
        ),
        (
            "drains go on without end",
            "            self._drains += 1\n",
            "            self._drains = 1\n",
            "session/test_loop.py",
        ),
        (
            "a turn inside a turn runs at once",
            "        if self.in_turn:\n            return\n",
            "",
            "session/test_loop.py",
        ),
        (
            "what is to follow a read is forgotten",
            "            if not self._behind:\n                return\n",
            "            return\n",
            "session/test_loop.py",
        ),
        (
            "what queued calls queue runs in the same turn for ever",
            "for _ in range(len(queued)):",
            "while queued:",
            "session/test_loop.py",
        ),
        (
            "what is queued waits for the next turn",
            "        if self._queued and not self._resuming:\n",
            "        if False:\n",
            "session/test_loop.py",
        ),
        (
            "an exception in a turn ends the turn",
            (
                "                call()\n"
                "            except Exception as error:\n"
                "                self._on_defect(error)\n"
            ),
            "                call()\n",
            "session/test_loop.py",
        ),
        (
            "a cancellation out of the owner's function passes through a turn",
            "self._on_defect(OwnerCancelled(repr(call)).with_traceback(error.__traceback__))",
            "raise",
            "session/test_loop.py",
        ),
        (
            "what a task raises is no defect",
            "            self.enter(partial(self._on_defect, error))\n",
            "            pass\n",
            "session/test_loop.py",
        ),
        (
            "a function of the owner's may raise into the event loop",
            '        except (Exception, asyncio.CancelledError):\n            logger.warning("%s: %s raised"',
            '        except ZeroDivisionError:\n            logger.warning("%s: %s raised"',
            "session/test_loop.py",
        ),
        (
            "an earlier deadline waits for a later timer",
            "        self.timers.set(key, when, call)\n        if self._timer is None or when < self._due_at:\n",
            "        self.timers.set(key, when, call)\n        if self._timer is None:\n",
            "session/test_loop.py",
        ),
        (
            "a deadline that is set while others are due hides one before it",
            "            self._set_timer(left)  # before",
            "            pass  # before",
            "session/test_loop.py",
        ),
        (
            "a drain is cut short by a deadline",
            "            if self._drains:\n                return\n            self._timer.cancel()",
            "            self._timer.cancel()",
            "session/test_loop.py",
        ),
        (
            "a stale deadline is due",
            "is not None and known[1] == serial:",
            "is not None:",
            "session/test_loop.py",
        ),
        (
            "a stale deadline is waited for",
            "(known := self._when.get(heap[0][2])) is None or known[1] != heap[0][1]",
            "(known := self._when.get(heap[0][2])) is None",
            "session/test_loop_timers.py",
        ),
        (
            "the heap of deadlines grows",
            (
                "        if len(self._heap) > 2 * len(self._when) + _SLACK:\n"
                "            self._compact()\n"
                "\n"
                "    def cancel"
            ),
            "\n    def cancel",
            "session/test_loop_timers.py",
        ),
        (
            "another event loop may use the session",
            (
                "            if running is None or self._home is not None:\n"
                "                raise WrongLoop(self.name)\n"
            ),
            "",
            "session/test_loop.py",
        ),
        (
            "what cancels an awaited function of the owner's cancels us",
            "        if is_cancelled():\n            raise\n        raise OwnerCancelled(role) from error",
            "        raise",
            "session/test_driver_defects.py",
        ),
        (
            "our own cancellation is a failure of the owner's function",
            "        if is_cancelled():\n            raise\n        raise OwnerCancelled(role) from error",
            "        raise OwnerCancelled(role) from error",
            "session/test_credentials.py",
        ),
    ),
    *_of(
        "session/driver.py",
        (
            "a token fetched for a lost connection goes to the next",
            "if generation == self.generation and self.protocol is not None:",
            "if self.protocol is not None:",
            "session/test_credentials_tokens.py",
        ),
        (
            "a refresh that failed for a lost connection ends the next",
            "if generation != self.generation or not self.connected:",
            "if not self.connected:",
            "session/test_credentials_tokens.py",
        ),
        (
            "the stable timer survives its connection",
            '("stable", "served", "greeting", "refresh")',
            '("served", "greeting", "refresh")',
            "session/test_driver.py",
        ),
        (
            "the greeting's deadline survives its connection",
            '("stable", "served", "greeting", "refresh")',
            '("stable", "served", "refresh")',
            "session/test_continuity_fetching.py",
        ),
        (
            "stale frames of former connections are not counted",
            'self.stale + getattr(connection.protocol, "stale", 0)',
            'getattr(connection.protocol, "stale", 0)',
            "session/test_options_statistics.py",
        ),
        (
            "publications of former connections are not counted",
            "self.publications + connection.publications",
            "connection.publications",
            "session/test_options_statistics.py",
        ),
        (
            "a transport that nobody waits for stays open",
            (
                "        if number != self._try:\n"
                "            connection.drop()  # nobody waits for it any more\n"
                "            return\n"
            ),
            "",
            "session/test_driver.py",
        ),
        (
            "an input in the midst of an input is performed at once",
            "        if self._feeding:\n            return\n",
            "",
            "session/test_driver.py",
        ),
        (
            "a refusal for want of a token is no reason for a fresh one",
            "            self._feed(Input.UNAUTHORIZED)\n        else:\n            self._feed(Input.BROKEN",
            "            self._feed(Input.BROKEN)\n        else:\n            self._feed(Input.BROKEN",
            "session/test_driver.py",
        ),
        (
            "an error of programming is tried again",
            "return error.retryable if isinstance(error, TapewireError) else isinstance(error, _PASSING)",
            "return error.retryable if isinstance(error, TapewireError) else True",
            "session/test_driver_defects.py",
        ),
        (
            "the token that was not taken is offered again",
            "self._token, self._wants_fresh_token = None, True",
            "self._token, self._wants_fresh_token = None, False",
            "session/test_driver.py",
        ),
        (
            "topics' tokens are believed when the connection's is not",
            "        self.topics.distrust()\n",
            "",
            "session/test_credentials_tokens.py",
        ),
        (
            "what is parsed and not dispatched counts as delivered",
            "            self.connection.rewind()\n",
            "            pass\n",
            "session/test_continuity.py",
        ),
        (
            "requests wait on for a lost connection",
            "        self.requests.lose_all()\n        self.topics.disconnected",
            "        self.topics.disconnected",
            "session/test_requests.py",
        ),
        (
            "a connection that did not last is waited for as long as the outage",
            "self.loop.now() if self.machine.waits <= 1 else None",
            "self.loop.now()",
            "session/test_driver_defects.py",
        ),
        (
            "a confirmation does not make the next waits quick",
            '                self.loop.after("served", SERVED_SECONDS, self.machine.served)\n',
            "                pass\n",
            "session/test_driver_defects.py",
        ),
        (
            "a greeting is waited for without end",
            "        if Ready() not in events:\n",
            "        if False:\n",
            "session/test_driver.py",
        ),
        (
            "the first confirmation of a connection is followed by as many timers as there are topics",
            "            self.connection.serves = True\n",
            "            pass\n",
            "session/test_driver_defects.py",
        ),
        (
            "a close that is cancelled is none",
            "await asyncio.shield(self._closing)",
            "await self._closing",
            "session/test_driver_defects.py",
        ),
        (
            "a warning of a session that is open",
            '        self._expected_open = True\n        self.loop.timers.cancel("unopened")\n',
            "        self._expected_open = True\n",
            "session/test_driver_unopened.py",
        ),
    ),
    *_of(
        "session/topics.py",
        (
            "a refusal that is asked again says that it was the last word",
            "reply=event.reply, retryable=retryable",
            "reply=event.reply, retryable=event.retryable",
            "session/test_topics_refusals.py",
        ),
        (
            "a place that was left a moment ago is taken for no place",
            "retryable = event.retryable or freeing",
            "retryable = event.retryable",
            "session/test_topics_refusals.py",
        ),
        (
            "a server that stays full is asked for ever",
            "freeing = event.full and self._loop.now() - self._left_at < self._options.subscribe_timeout",
            "freeing = event.full",
            "session/test_topics_refusals.py",
        ),
        (
            "the renewal of a topic's token survives its interruption",
            "            self._loop.timers.cancel(topic)  # the renewal",
            "            pass  # the renewal",
            "session/test_credentials_tokens.py",
        ),
        (
            "a moved topic leaves its timers behind",
            "        self.continuity.forget(topic)\n        self._loop.timers.cancel(topic)\n",
            "        self.continuity.forget(topic)\n",
            "session/test_pool.py",
        ),
        (
            "a late word on a token takes the place of the deadline",
            "            if topic.state is SubscriptionState.SUBSCRIBED:\n                self._renew_token_after",
            "            if True:\n                self._renew_token_after",
            "session/test_credentials_tokens.py",
        ),
        (
            "a token that comes too late asks",
            "        if not topic.asking or topic.attempt != attempt:\n            return  # of an older",
            "        if topic.attempt != attempt:\n            return  # of an older",
            "session/test_credentials_tokens.py",
        ),
        (
            "two subscriptions of different parameters share a topic",
            "            if params is not None and params != topic.params:\n",
            "            if False:\n",
            "session/test_topics.py",
        ),
        (
            "a deadline judges what has not gone out",
            "        if topic.asking or (protocol is not None and protocol.queued(topic.name)):\n",
            "        if False:\n",
            "session/test_credentials_tokens.py",
        ),
        (
            "a refusal for a token that ended asks with the same again",
            ("        topic.fresh = topic.fresh or event.unauthorized\n        self._feed(topic, On.REFUSED"),
            "        self._feed(topic, On.REFUSED",
            "session/test_credentials_tokens.py",
        ),
        (
            "an interruption for a token that ended asks with the same again",
            (
                "            topic.fresh = topic.fresh or event.unauthorized\n"
                "            self._feed(topic, On.INTERRUPTED"
            ),
            "            self._feed(topic, On.INTERRUPTED",
            "session/test_credentials_tokens.py",
        ),
        (
            "a first refusal is kept from who waits",
            "                self._waiters.refuse(consumer, error)\n",
            "                pass\n",
            "session/test_topics.py",
        ),
        (
            "a refusal for now takes a topic out of a consumer that others feed too",
            "                if not consumer.is_shared:\n                    self.leave(consumer)\n",
            "                self.leave(consumer)\n",
            "session/test_consumer.py",
        ),
        (
            "whoever is raised a first refusal is asked for again",
            "                if not consumer.is_shared:\n",
            "                if False:\n",
            "session/test_topics.py",
            "session/test_topics_refusals.py",
        ),
        (
            "who polls for a confirmation leaves something behind",
            "            self._forget(subscription, waiter)  # who polls",
            "            pass  # who polls",
            "session/test_topics_identity.py",
        ),
    ),
    *_of(
        "session/continuity.py",
        (
            "an interrupted topic's route stays",
            "        self._loop.behind(partial(self._drop_route, topic, topic.attempt))\n",
            "",
            "session/test_topics_identity.py",
        ),
        (
            "a bridge is lost with what it held",
            "            if bridge.held:\n                held, lost_ns",
            "            if False:\n                held, lost_ns",
            "session/test_continuity_bridges.py",
        ),
        (
            "all topics page their history at once",
            "            async with self._paging:\n",
            "            if True:\n",
            "session/test_continuity_fetching.py",
        ),
        (
            "that an interrupted topic is asked for again is told before the frame that says why",
            "                if topic.state is SubscriptionState.BACKING_OFF:\n",
            "                if False:\n",
            "session/test_topics_announcing.py",
        ),
        (
            "a break behind a bridge is not marked",
            "            bridge.held.append(mark)  # behind what is held, when that is delivered\n",
            "",
            "session/test_continuity.py",
        ),
        (
            "a break does not ask for a snapshot",
            (
                "            else:\n"
                "                consumer.deliver_mark(mark)\n"
                "                self.start_seed(consumer)\n"
            ),
            "            else:\n                consumer.deliver_mark(mark)\n",
            "session/test_continuity.py",
        ),
        (
            "a recovered stream is seeded anew",
            "            if proven and consumer.seeded:\n",
            "            if False:\n",
            "session/test_continuity.py",
        ),
        (
            "an unproven stream goes on with the old snapshot",
            "            if proven and consumer.seeded:\n",
            "            if consumer.seeded:\n",
            "session/test_continuity.py",
        ),
        (
            "a replay overflows the buffer meant for it",
            "            consumer.expect(answer.replayed)\n",
            "            pass\n",
            "session/test_continuity_bridges.py",
        ),
    ),
    *_of(
        "session/subscription.py",
        (
            "what came before a hold is held too",
            "(self.deliver_mark if is_mark(item) else self._consume)(item)",
            "(self.deliver_mark if is_mark(item) else self.deliver)(item)",
            "session/test_continuity_bridges.py",
        ),
        (
            "two ends are told",
            "        if not self.ended:\n            self.ended = True\n",
            "        if True:\n            self.ended = True\n",
            "session/test_subscription.py",
        ),
        (
            "a topic that was left goes on feeding its consumer",
            "        if not self.ended:\n            if getattr(publication",
            "        if True:\n            if getattr(publication",
            "session/test_consumer.py",
        ),
        (
            "a topic's position is that of what is only buffered",
            "        if self.is_shared or self.delivery.policy == ",
            "        if self.delivery.policy == ",
            "session/test_consumer.py",
        ),
        (
            "an end by the venue is no end of its consumer",
            "            self.consumer.part(self, error or ended_by_venue)\n",
            "            self.consumer.part(self, error)\n",
            "session/test_consumer.py",
        ),
        (
            "a full buffer asks for nothing anew",
            '            self.owner.rebuild(self, "the consumer fell behind")\n',
            "            pass\n",
            "session/test_consumer.py",
        ),
    ),
    *_of(
        "session/consumer.py",
        (
            "an iteration that never waits keeps the event loop",
            "        if self.delivered >= self._look_at and self._is_others_turn():\n",
            "        if False:\n",
            "session/test_subscription_fairness.py",
        ),
        (
            "what cannot be decoded ends the iteration",
            "        except (Exception, asyncio.CancelledError) as error:  # whatever",
            "        except ZeroDivisionError as error:  # whatever",
            "session/test_subscription.py",
        ),
        (
            "what a batch may hold is not bounded",
            "if len(batch) < enough or enough == limit or self._is_slice_over():",
            "if len(batch) < enough or enough == limit:",
            "session/test_subscription_fairness.py",
        ),
        (
            "a gap of one of many topics says not which",
            "        if self.names_topics and topic and",
            "        if False and",
            "session/test_consumer.py",
        ),
        (
            "leaving one topic ends them all",
            "        if error is not None or not self.feeds:\n",
            "        if True:\n",
            "session/test_consumer.py",
        ),
        (
            "leaving the last topic ends nothing",
            "        if error is not None or not self.feeds:\n",
            "        if error is not None:\n",
            "session/test_consumer.py",
        ),
        (
            "a consumer that ended keeps its other topics",
            "            feed.unsubscribe()\n",
            "            pass\n",
            "session/test_consumer.py",
        ),
        (
            "an overflow is known to the topics and not to their consumer",
            "            self.end(BufferOverflow(self.name, self.buffer.capacity))\n",
            "            pass\n",
            "session/test_consumer.py",
        ),
        (
            "whoever is told of an end hears of it behind the raising",
            "            await self._ended_by.tell_end()\n",
            "            pass\n",
            "session/test_consumer.py",
        ),
        (
            "a topic that was left is waited for",
            "            with suppress(NotSubscribed):  # left meanwhile\n",
            "            if True:\n",
            "session/test_consumer.py",
        ),
        (
            "what is being decoded is lost with the wait for it",
            "            made = await asyncio.shield(decoding)\n",
            "            made = await decoding\n",
            "session/test_consumer.py",
        ),
        (
            "what is decoded to nothing keeps the event loop",
            "if self._has_nothing() and self._is_others_turn():",
            "if False:",
            "session/test_consumer.py",
        ),
        (
            "what is being decoded outlives its consumer",
            "            self._decoding.cancel()\n",
            "            pass\n",
            "session/test_consumer.py",
        ),
        (
            "an iteration raises its end again",
            "                self._end()\n            if isinstance(error, StopAsyncIteration)",
            "                pass\n            if isinstance(error, StopAsyncIteration)",
            "session/test_consumer_iterations.py",
        ),
        (
            "a second task that waits ends the first one's iteration",
            "            if not isinstance(error, ConfigurationError | WrongLoop):  # those",
            "            if True:  # those",
            "session/test_consumer_iterations.py",
        ),
        (
            "an iteration that is dropped in another thread is left there",
            "                loop.call_soon_threadsafe(_dropped, self._watched, self._leave)\n",
            "                _dropped(self._watched, self._leave)\n",
            "session/test_consumer_iterations.py",
        ),
        (
            "the first task of an iteration that others share ends it",
            "            self._unwatch()\n            self._watched = _Watched",
            "            self._watched = _Watched",
            "session/test_consumer_iterations.py",
        ),
    ),
    *_of(
        "session/subscriptions.py",
        (
            "a gap's first reason is forgotten",
            "        if self.continuous:\n            self.continuous = False\n",
            "        if True:\n            self.continuous = False\n",
            "session/test_subscriptions.py",
        ),
        (
            "a topic confirmed and lost at once is asked for as quickly",
            "now - self.confirmed_at >= stable_after:",
            "True:",
            "session/test_subscriptions.py",
        ),
        (
            "refusals are counted for ever",
            "            self.refusals = 0\n        self.confirmed_at",
            "            pass\n        self.confirmed_at",
            "session/test_subscriptions.py",
        ),
        (
            "a token that was taken is doubted",
            "        if received is On.CONFIRMED:\n            self.fresh = False\n",
            "",
            "session/test_credentials_tokens.py",
        ),
        (
            "a state keeps the token of the one before",
            "self.state, self.asking = state, False",
            "self.state = state",
            "session/test_credentials_tokens.py",
        ),
        (
            "an unanswered subscription is not taken back",
            "(S.BACKING_OFF, (Do.UNSUBSCRIBE, *_LOST_AT_PEER))",
            "(S.BACKING_OFF, _LOST_AT_PEER)",
            "session/test_subscriptions.py",
        ),
        (
            "an interruption leaves requests waiting",
            "_LOST_AT_PEER = (Do.OPEN_GAP, Do.STOP_ROUTE, Do.FAIL_REQUESTS, Do.ARM_RETRY)",
            "_LOST_AT_PEER = (Do.OPEN_GAP, Do.STOP_ROUTE, Do.ARM_RETRY)",
            "session/test_requests.py",
        ),
        *(
            (
                f"what is over does not bear '{received.lower()}'",
                "for received in On if received is not On.LEAVE}",
                f"for received in On if received not in (On.LEAVE, On.{received})}}",
                "session/test_subscriptions.py",
            )
            for received in (
                "SUBSCRIBE",
                "CONNECTED",
                "DISCONNECTED",
                "CONFIRMED",
                "REFUSED",
                "REJECTED",
                "INTERRUPTED",
                "ENDED",
                "TIMED_OUT",
                "RETRY_DUE",
                "UNAUTHORIZED",
                "RENEW",
            )
        ),
    ),
    *_of(
        "session/buffers.py",
        (
            "a late put after the end comes in",
            (
                "    def _overflow(self, item: Any) -> None:\n"
                "        if not self.ended:\n"
                "            self._drop_first()\n"
            ),
            "    def _overflow(self, item: Any) -> None:\n        if True:\n            self._drop_first()\n",
            "session/test_buffers.py",
        ),
        (
            "a late put after the end is counted as dropped newest",
            "        if not self.ended:\n            self._tail_lost += 1\n",
            "        if True:\n            self._tail_lost += 1\n",
            "session/test_buffers.py",
        ),
        (
            "a late put after the end conflates",
            "        if self.ended:\n            return\n        slot = [item]\n",
            "        slot = [item]\n",
            "session/test_buffers.py",
        ),
        (
            "a late put after the end resyncs",
            "        if not self.ended:\n            self._overflown = True\n",
            "        if True:\n            self._overflown = True\n",
            "session/test_buffers.py",
        ),
        (
            "a late put after the end is lost to the overflow",
            "        if self._overflown and not self.ended:\n            self.dropped += 1\n",
            "        if self._overflown:\n            self.dropped += 1\n",
            "session/test_buffers.py",
        ),
        (
            "a late put after the end blocks",
            (
                "        if not self.ended:\n"
                "            self._items.append(item)\n"
                "            self.blocked = True\n"
            ),
            "        if True:\n            self._items.append(item)\n            self.blocked = True\n",
            "session/test_buffers.py",
        ),
        (
            "a late put after the end fails",
            "        if not self.ended:\n            self.dropped += 1\n            self._on_full()\n",
            "        if True:\n            self.dropped += 1\n            self._on_full()\n",
            "session/test_buffers.py",
        ),
        (
            "a late mark after the end comes in",
            "        if self.ended:\n            return\n        items = self._items\n",
            "        items = self._items\n",
            "session/test_buffers.py",
        ),
        (
            "a late mark after the end brings what was lost",
            "        if self._tail_lost and not self.ended:\n",
            "        if self._tail_lost:\n",
            "session/test_buffers.py",
        ),
        (
            "what comes after the end of a clear comes in",
            "self._room = 0 if self.ended else self.capacity",
            "self._room = self.capacity",
            "session/test_buffers.py",
        ),
        (
            "room is allowed after the end",
            "if count > 0 and not self.ended:",
            "if count > 0:",
            "session/test_buffers.py",
        ),
        (
            "replays have room without end",
            "min(count, MAX_ALLOWED - allowed)",
            "count",
            "session/test_buffers.py",
        ),
        (
            "the room of a replay stays when it is taken",
            "                self._room -= 1\n                if not replay[1]:",
            "                if not replay[1]:",
            "session/test_buffers.py",
        ),
        (
            "a mark takes a publication's room",
            "            self._room += 1\n            items.append(mark)\n",
            "            items.append(mark)\n",
            "session/test_buffers.py",
        ),
        (
            "a run of marks takes a publication's room",
            "            absorb(run, mark)\n            self._room += len(run)\n",
            "            absorb(run, mark)\n",
            "session/test_buffers.py",
            "properties/test_session_buffers.py",
        ),
        (
            "marks are dropped with publications",
            "            self._put_first(items.popleft())\n            self._room -= 1\n",
            "            items.popleft()\n            self._room -= 1\n",
            "session/test_buffers.py",
        ),
        (
            "newer publications take a place before a mark",
            "        self._slots.clear()  # what comes behind a mark never takes a place before it\n",
            "",
            "session/test_buffers.py",
        ),
        (
            "a consumer that left holds up the reader",
            "        if self.blocked:\n            self._relieve()  # a consumer",
            "        if False:\n            self._relieve()  # a consumer",
            "session/test_buffers.py",
        ),
        (
            "a resync is asked for before the consumer is through",
            "if self._overflown and item is not EMPTY and not self:",
            "if self._overflown and item is not EMPTY:",
            "session/test_buffers.py",
        ),
        (
            "a key function that raises loses its publication",
            '        except (Exception, asyncio.CancelledError):\n            logger.warning("a key',
            '        except ZeroDivisionError:\n            logger.warning("a key',
            "session/test_buffers.py",
        ),
    ),
    *_of(
        "session/holds.py",
        (
            "a snapshot of a hold that is over is delivered",
            "        if hold is not self.hold:\n            return None\n        if hold.spoiled:",
            "        if hold.spoiled:",
            "session/test_holds.py",
        ),
        (
            "a failure of a hold that is over is told",
            (
                "        if hold is not self.hold:\n"
                "            return None\n"
                "        self.hold = None\n"
                "        self.failures += 1"
            ),
            "        self.hold = None\n        self.failures += 1",
            "session/test_holds.py",
        ),
        (
            "a hold is not bounded",
            "        if len(hold.held) >= self._capacity:\n",
            "        if False:\n",
            "session/test_holds.py",
        ),
        (
            "a snapshot is delivered although the hold overflowed",
            "            return self.fail(hold, now_ns, hold.spoiled)\n        held",
            "            pass\n        held",
            "session/test_holds.py",
        ),
        (
            "one publication past the snapshot is enough",
            "        if self._kept >= CAUGHT_UP:\n",
            "        if True:\n",
            "session/test_holds.py",
        ),
        (
            "publications need not follow in a row",
            "                self._kept = 0\n                return False",
            "                return False",
            "session/test_holds.py",
        ),
        (
            "a bridge with a hole is whole",
            (
                "            if publication.offset != self._reached + 1:\n"
                "                self._possible = False\n"
                "                return\n"
            ),
            "",
            "session/test_holds_bridge.py",
        ),
        (
            "a bridge of another epoch is whole",
            "if epoch != self.since.epoch or (",
            "if (",
            "session/test_holds_bridge.py",
        ),
        (
            "a bridge without progress is asked for for ever",
            "(self._proven and self._reached == before)",
            "False",
            "session/test_holds_bridge.py",
        ),
        (
            "a bridge delivers what lies beyond it",
            "            if publication.offset > self.until.offset:\n                break\n",
            "",
            "session/test_holds_bridge.py",
        ),
        (
            "a bridge delivers what it has",
            "            if publication.offset <= self._reached:\n                continue\n",
            "",
            "session/test_holds_bridge.py",
        ),
        ("a bridge may be of any width", "0 < width <= most", "0 < width", "session/test_holds_bridge.py"),
    ),
    *_of(
        "session/handlers.py",
        (
            "a task of its own is never given back",
            "                await waiter\n                waiter = None\n",
            "                await waiter\n                waiter = asyncio.get_running_loop().create_future()\n",
            "session/test_handler_tasks.py",
        ),
        (
            "what a call awaits is stepped in the context of the task",
            "step(argument) if context is None else context.run(step, argument)\n",
            "step(argument)\n",
            "session/test_handler_tasks.py",
        ),
        (
            "a handler that never awaits keeps the event loop",
            "            if (seconds := now() - began) > SLICE_SECONDS:\n",
            "            if False and (seconds := 1):\n",
            "session/test_handlers.py",
        ),
        (
            "an end is told twice",
            "        if error is not None and not self._end_told:\n",
            "        if error is not None:\n",
            "session/test_subscription_errors.py",
        ),
        (
            "what on_error raises ends the handler",
            (
                "        except (Exception, asyncio.CancelledError) as failure:\n"
                '            self._log.raised("on_error", on_error, failure)\n'
                "            return\n"
            ),
            "        except ZeroDivisionError:\n            return\n",
            "session/test_handlers_error_log.py",
        ),
        (
            "an inline handler that raises breaks the read",
            (
                "        except (Exception, asyncio.CancelledError) as error:\n"
                "            self._count_failure(error, item)\n"
                "            self.tell_inline"
            ),
            (
                "        except ZeroDivisionError as error:\n"
                "            self._count_failure(error, item)\n"
                "            self.tell_inline"
            ),
            "session/test_handlers_error_log.py",
        ),
        (
            "an inline handler is called after the end",
            "        if not self.subscription.ended:\n            if (item :=",
            "        if True:\n            if (item :=",
            "session/test_subscription.py",
        ),
        (
            "a log line for each failure",
            "        elif is_worth_a_line(count):\n            last",
            "        else:\n            last",
            "session/test_handlers_error_log.py",
        ),
    ),
    *_of(
        "session/handler_tasks.py",
        (
            "a handler that closes its session is waited for",
            "            self._excuse(runner)\n\n    async def drain",
            "            pass\n\n    async def drain",
            "session/test_subscription.py",
        ),
        (
            "the handler's task stays with the session it moved from",
            "                    self._loop.give_up(runner.task, self._on_done)\n",
            "",
            "session/test_handler_tasks.py",
        ),
        (
            "the slices that were due where a topic came from are forgotten",
            "            self._loop.take_over(runner.task, self._on_done)\n        elif not",
            "            self._loop.take_over(runner.task, self._on_done)\n        elif False and not",
            "session/test_handler_tasks.py",
        ),
        (
            "a handler that waits takes the task of all others with it",
            "                self._own(runner, task)\n                self._start_calling()\n",
            "                self._own(runner, task)\n",
            "session/test_handler_tasks.py",
        ),
        (
            "what is wanted again is called beside the call under way",
            "                runner.waits_for += 1\n",
            "                pass\n",
            "session/test_handler_tasks.py",
        ),
        (
            "a handler that cancels the task of all ends them all",
            "            if not by_handler:\n                raise\n",
            "            raise\n",
            "session/test_handler_tasks.py",
        ),
        (
            "a defect of one call is that of all",
            "                self._start_calling()  # a defect",
            "                pass  # a defect",
            "session/test_handler_tasks.py",
        ),
        (
            "all handlers have a slice of their own",
            "                    ready.append(runner)\n                    break\n",
            "                    ready.append(runner)\n                    began = now()\n",
            "session/test_handler_tasks.py",
        ),
        (
            "handlers are called in the context of the task",
            "rest = runner.context.run(runner.run_slice, runner, began)",
            "rest = runner.run_slice(runner, began)",
            "session/test_handler_tasks.py",
        ),
    ),
    *_of(
        "session/requests.py",
        (
            "a request that is cancelled is sent all the same",
            "            self._withdraw(request.ref)  # cancelled: what is not written yet never shall be\n",
            "            pass\n",
            "session/test_requests.py",
        ),
        (
            "a request whose deadline has passed is sent all the same",
            "            self._withdraw(request.ref)\n            error = RequestTimeout",
            "            error = RequestTimeout",
            "session/test_requests.py",
        ),
        (
            "what a cancelled request takes back is a later one's",
            "        if self._pending.get(request.ref) is not request:\n            return False\n",
            "        if request.ref not in self._pending:\n            return False\n",
            "session/test_requests_pending.py",
        ),
        (
            "requests may pend without end",
            "        if len(self._pending) >= self._capacity:\n",
            "        if False:\n",
            "session/test_requests_pending.py",
        ),
        (
            "requests of other topics are lost with one",
            "refs = [ref for ref, request in self._pending.items() if request.command.topic == topic]",
            "refs = list(self._pending)",
            "session/test_requests_pending.py",
        ),
        ("a refusal is a reply", "        if event.ok:\n", "        if True:\n", "session/test_requests.py"),
        (
            "nothing says that a lost request was not sent",
            "sent=self._was_sent(request.ref), why=why",
            "sent=True, why=why",
            "session/test_requests.py",
        ),
        (
            "the deadline of a request outlives it",
            '        self._loop.timers.cancel(("request", request.waiter))\n',
            "",
            "session/test_requests.py",
        ),
    ),
    *_of(
        "session/credentials.py",
        (
            "two requests for a token are under way at once",
            "        if self._flight is None:\n            self._flight = asyncio.create_task",
            "        if True:\n            self._flight = asyncio.create_task",
            "session/test_credentials.py",
        ),
        (
            "an older flight answers a request for a fresh token",
            (
                "        while self._flight is not None and fresh and not self._flight_is_fresh:\n"
                "            await asyncio.wait([self._flight])"
            ),
            "        while False:\n            await asyncio.wait([self._flight])",
            "session/test_credentials.py",
        ),
        (
            "one who leaves cancels the flight of the others",
            "            if not self._waiting and not flight.done():\n",
            "            if not flight.done():\n",
            "session/test_credentials.py",
        ),
        (
            "a flight that nobody wants goes on",
            "            if not self._waiting and not flight.done():\n",
            "            if False:\n",
            "session/test_credentials.py",
        ),
        (
            "an empty token is one",
            "        if not token or not isinstance(token, Secret | str):\n",
            "        if not isinstance(token, Secret | str):\n",
            "session/test_credentials.py",
        ),
        (
            "what a provider waited for cancels who asks",
            "        except OwnerCancelled as error:\n",
            "        except ZeroDivisionError as error:\n",
            "session/test_credentials.py",
        ),
        (
            "a secret in a provider's failure is told",
            'text = redact(f"{type(error).__name__}: {error}".removesuffix(": "))',
            'text = f"{type(error).__name__}: {error}"',
            "session/test_credentials.py",
        ),
        (
            "a token is renewed when it has ended",
            "return seconds * REFRESH_SHARE * (1 - 0.2 * fraction())",
            "return seconds * 1.01",
            "session/test_credentials_tokens.py",
        ),
        (
            "a flight that failed is told to nobody",
            "                self.report(error)\n\n    def _no_answer",
            "                pass\n\n    def _no_answer",
            "session/test_credentials.py",
        ),
    ),
    *_of(
        "session/connection.py",
        (
            "what was not heard while nothing was read is the peer's doing",
            (
                "            if self.protocol is not None:\n"
                "                self.protocol.excuse(now)\n"
                "            self.transport"
            ),
            "            self.transport",
            "session/test_driver.py",
        ),
        (
            "the line is judged for what was not read",
            "            self.liveness.ponged(now)\n            if self.protocol",
            "            if self.protocol",
            "session/test_driver.py",
        ),
        (
            "pings are judged while nothing is read",
            "        if not self.paused:\n            verdict",
            "        if True:\n            verdict",
            "session/test_driver.py",
        ),
        (
            "data counts as a pong",
            "    def heard(self, now: float) -> None:\n",
            "    def heard(self, now: float) -> None:\n        self._pinged_at = None\n",
            "session/test_connection_liveness.py",
        ),
        (
            "what follows the loss in one read is dispatched",
            "                    if self.dropped:\n                        break\n",
            "",
            "session/test_driver_defects.py",
        ),
        (
            "a defect of a read ends it in silence",
            "            loop.defect(error)\n",
            "            pass\n",
            "session/test_driver.py",
        ),
        (
            "one that has room lets the connection read for all",
            "        if self._full and (not self._awaited()",
            "        if False and (not self._awaited()",
            "session/test_connection_backpressure.py",
        ),
        (
            "a reply is not read while a consumer is full",
            "if self._full and (not self._awaited() or any(each.buffer.is_brimful for each in self._full)):",
            "if self._full:",
            "session/test_connection_backpressure.py",
        ),
        (
            "the rest of a read that is lost is not told to the protocol",
            "            self.protocol.rewind(list(self._rest))\n",
            "            pass\n",
            "session/test_continuity.py",
        ),
    ),
    *_of(
        "session/pool.py",
        (
            "a full session takes more",
            "and len(shard.topics) < shard.capacity and shard.usable",
            "and shard.usable",
            "session/test_pool.py",
        ),
        (
            "topics that ended make no room",
            (
                "            self._forget_ended(shard)\n"
                "            if len(shard.topics) < shard.capacity:\n"
                "                return shard\n"
            ),
            "            self._forget_ended(shard)\n",
            "session/test_pool.py",
        ),
        (
            "there is no end of sessions",
            "        if len(self._shards) >= self._max_sessions:\n",
            "        if False:\n",
            "session/test_pool.py",
        ),
        (
            "a session that serves nothing else is full",
            "        if not shard.session.serves_besides(topic):\n            return False\n",
            "",
            "session/test_pool.py",
        ),
        (
            "sessions are opened all at once",
            "        async with self._one_at_a_time:\n",
            "        if True:\n",
            "session/test_pool.py",
        ),
        (
            "a session beside one that gave up is made",
            '            if self._one_end and shard.session.state == "failed":\n',
            "            if False:\n",
            "session/test_pool.py",
        ),
        (
            "a session made meanwhile may give up unseen",
            "        self._shards.append(shard)\n        self._changed.set()\n",
            "        self._shards.append(shard)\n",
            "session/test_pool.py",
        ),
        (
            "a pool whose sessions are all closed is over",
            "if self._closed and not pending:",
            "if not pending:",
            "session/test_pool.py",
        ),
        (
            "whoever runs a pool without sessions is not told that it was closed",
            "        self._closed = True\n        self._changed.set()\n",
            "        self._closed = True\n",
            "session/test_pool.py",
        ),
        (
            "a wait for the opening that is cancelled cancels it",
            "*map(asyncio.shield, openings)",
            "*openings",
            "session/test_pool.py",
        ),
        (
            "a session that was closed holds a place",
            'if shard.session.state != "closed"]',
            "]",
            "session/test_pool.py",
        ),
    ),
    *_of(
        "session/machine.py",
        (
            "a fresh token is asked for again and again",
            "            if self._asked_for_fresh_token:\n                return Input.REFUSED\n",
            "",
            "session/test_machine.py",
        ),
        (
            "a token that was accepted counts as doubted",
            "            self._asked_for_fresh_token = False  # it was accepted\n",
            "",
            "session/test_machine.py",
        ),
        (
            "dials are not counted",
            "            if self.state is not State.UP:\n                self.tries += 1\n",
            "            if self.state is not State.UP:\n                pass\n",
            "session/test_machine.py",
        ),
        (
            "waits never grow",
            "            self.waits += 1\n",
            "            self.waits = 1\n",
            "session/test_machine.py",
        ),
        (
            "a connection that served us changes no wait",
            "        self.waits = 0\n\n    def _finalize",
            "        pass\n\n    def _finalize",
            "session/test_machine.py",
        ),
        (
            "what opened the session is a dial of an outage",
            "self.tries = self.tries + 1 if self._was_up else 0",
            "self.tries += 1",
            "session/test_machine.py",
        ),
        (
            "supervision has no end",
            "            if not self.supervise.exhausted(self.alarms):\n",
            "            if True:\n",
            "session/test_machine.py",
        ),
        (
            "an expired token is waited with the first time",
            "            return Input.UNAUTHORIZED  # the first time at once\n",
            "            return Input.EXPIRED\n",
            "session/test_machine.py",
        ),
        (
            "nothing is ever exhausted",
            "            if self.policy.exhausted(self.tries):\n",
            "            if False:\n",
            "session/test_machine.py",
        ),
        (
            "a stable connection forgets nothing",
            "        self.tries = self.waits = self.alarms = 0\n",
            "        self.tries = self.waits = 0\n",
            "session/test_machine.py",
        ),
    ),
    *_of(
        "protocols/phoenix/client.py",
        (
            "a frame of a former join is delivered",
            "                self._stale(frame)\n            elif frame.event == ",
            "                append(frame)\n            elif frame.event == ",
            "protocols/phoenix/test_client.py",
        ),
        (
            "what the server calls after a leave comes out",
            "        channel = self._live.pop(topic, None)\n        if channel is not None:\n            ref",
            "        channel = self._live.get(topic, None)\n        if channel is not None:\n            ref",
            "protocols/phoenix/test_client.py",
        ),
        (
            "a push before the confirmation is written",
            "        if channel.confirmed:\n            self._outgoing.append(message)",
            "        if True:\n            self._outgoing.append(message)",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "held pushes are not written when the join is confirmed",
            (
                "        for frame in held.values():\n"
                "            frame.join_ref = channel.join_ref\n"
                "            self._write(frame)\n"
            ),
            "",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "a held push keeps the ref of the join before",
            "            frame.join_ref = channel.join_ref\n",
            "",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "pushes are held without end",
            "        elif len(channel.held) < self._max_held:\n",
            "        elif True:\n",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "a push given up is written",
            "                channel.held = {each: push for each, push in channel.held.items() if each != ref}\n",
            "",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "a push given up counts as sent",
            "                self._remember_unsent(ref)\n                return True",
            "                return True",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "a second answer to a join confirms again",
            "            if not channel.confirmed:\n                append(\n",
            "            if True:\n                append(\n",
            "protocols/phoenix/test_client.py",
        ),
        (
            "a topic that crashed stays live",
            "        del self._live[channel.topic]\n        self._forget_held(channel)\n        if frame.event",
            "        self._forget_held(channel)\n        if frame.event",
            "protocols/phoenix/test_client.py",
        ),
        (
            "a topic that was refused stays live",
            (
                "        del self._live[channel.topic]\n"
                "        self._former.passed_over(channel.topic)\n"
                "        self._forget_held"
            ),
            "        self._former.passed_over(channel.topic)\n        self._forget_held",
            "protocols/phoenix/test_client.py",
        ),
        (
            "a join that supersedes another forgets it",
            "            self._former.add(topic, before.join_ref, answered=before.confirmed)\n",
            "",
            "protocols/phoenix/test_former.py",
        ),
        (
            "a former join that is never closed silences its topic",
            "            if self._now - channel.confirmed_at < FORMER_ENDS_WITHIN:\n",
            "            if True:\n",
            "protocols/phoenix/test_former.py",
        ),
        (
            "what was withheld is not told",
            "            if channel.withheld:\n",
            "            if False:\n",
            "protocols/phoenix/test_former.py",
        ),
        (
            "a join that the server does not know stays",
            '            if reason == "unmatched topic":',
            "            if False:",
            "protocols/phoenix/test_client_pushes.py",
        ),
        (
            "a reply without status is taken",
            (
                '            append(self._broken(excerpt, "a phx_reply without status and response", topic))\n'
                "            return\n"
            ),
            "            return\n",
            "protocols/phoenix/test_replies.py",
        ),
        (
            "refusals for want of room are not told as such",
            "full=reason == FULL_REASON",
            "full=False",
            "protocols/phoenix/test_client.py",
        ),
        (
            "refs of pushes given up are remembered without end",
            "        if len(self._unsent) >= MAX_UNSENT_REFS:\n",
            "        if False:\n",
            "protocols/phoenix/test_client_pushes.py",
        ),
    ),
    *_of(
        "protocols/phoenix/former.py",
        (
            "a former join that was passed over has an end to say",
            "[former for former in self._joins.get(topic, ()) if former.answered]",
            "list(self._joins.get(topic, ()))",
            "protocols/phoenix/test_former.py",
        ),
        (
            "the leave's answer ends a join that was granted",
            "        return not former.answered\n    answer",
            "        return True\n    answer",
            "protocols/phoenix/test_former.py",
        ),
        (
            "a refused former join has an end to say",
            '    former.answered = answer.status == "ok"\n',
            "    former.answered = True\n",
            "protocols/phoenix/test_former.py",
        ),
        (
            "one end is said for all former joins",
            "[each for each in known if each is not former]",
            "[]",
            "protocols/phoenix/test_former.py",
        ),
    ),
    *_of(
        "protocols/phoenix/heartbeat.py",
        (
            "a second heartbeat goes out before the first is answered",
            "self._outstanding is None and self._due is not None and now",
            "self._due is not None and now",
            "protocols/phoenix/test_heartbeat.py",
        ),
        (
            "any reply answers the heartbeat",
            "if self._outstanding is not None and str(ref) == self._outstanding:",
            "if self._outstanding is not None:",
            "protocols/phoenix/test_heartbeat.py",
        ),
        (
            "an unanswered heartbeat is never overdue",
            "return self._outstanding is not None and now >= self._judged_from + self._timeout",
            "return False",
            "protocols/phoenix/test_heartbeat.py",
        ),
        (
            "a heartbeat that could not be read is judged",
            "        self._judged_from = now\n        if",
            "        if",
            "protocols/phoenix/test_heartbeat.py",
        ),
    ),
    *_of(
        "protocols/phoenix/replies.py",
        (
            "a reason may be of any length",
            "        return reason[:MAX_REASON] or default\n",
            "        return reason or default\n",
            "protocols/phoenix/test_replies.py",
        ),
        (
            "the excerpt of a broken frame shows secrets",
            "return redact(ascii(payload[:MAX_EXCERPT]))[: 4 * MAX_EXCERPT]",
            "return ascii(payload[:MAX_EXCERPT])",
            "protocols/phoenix/test_replies.py",
        ),
        (
            "a number in other digits is a ref",
            "if len(text) < 20 and text.isascii() and text.isdigit()",
            "if len(text) < 20 and text.isdigit()",
            "protocols/phoenix/test_replies.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/client.py",
        (
            "a pong that nobody asked for goes out",
            "        if control.connected.pong:\n",
            "        if True:\n",
            "protocols/centrifugo/test_client.py",
        ),
        (
            "one pong answers many pings",
            "            for _ in range(pings):\n",
            "            for _ in range(min(1, pings)):\n",
            "protocols/centrifugo/test_client.py",
        ),
        (
            "the server's silence is no end",
            "        if silence is not None and silence <= now:\n",
            "        if False:\n",
            "protocols/centrifugo/test_client.py",
        ),
        (
            "an unanswered subscription is no end",
            '[] if unanswered is None else [Failed(f"{unanswered} timeout")]',
            "[]",
            "protocols/centrifugo/test_client.py",
        ),
        (
            "what was not heard on purpose is silence",
            "        if self._heard_at is not None:\n            self._heard_at = now\n",
            "",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "answers that could not be read are overdue",
            "        self._control.outbox.excuse(now)\n",
            "",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "one bad message costs the others of its frame",
            "        if len(lines) < 2:\n",
            "        if True:\n",
            "protocols/centrifugo/test_broken.py",
        ),
        (
            "a topic that is subscribed is asked for again without being left",
            (
                "        if topic in control.live:\n"
                "            control.drop_live(topic)\n"
                "            control.unsubscribe(topic, asked)\n"
                "        else:\n"
                "            control.subscribing.ask"
            ),
            "        if False:\n            pass\n        else:\n            control.subscribing.ask",
            "protocols/centrifugo/test_subscribing.py",
        ),
        (
            "positions are not rewound",
            "        control.positions.rewind(undelivered)\n",
            "",
            "protocols/centrifugo/test_positions.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/control.py",
        (
            "a lost state keeps its positions",
            "                self._invalidate_all()\n",
            "                pass\n",
            "protocols/centrifugo/test_positions.py",
        ),
        (
            "a server that finds us slow is asked for as much again",
            "                self.pacing.shrink(code)\n",
            "",
            "protocols/centrifugo/test_client.py",
        ),
        (
            "a delta that cannot be applied is dropped",
            (
                "            self.drop_live(channel.topic)\n"
                "            self.unsubscribe(channel.topic)\n"
                "            append(Interrupted("
            ),
            "            append(Interrupted(",
            "protocols/centrifugo/test_fossil.py",
        ),
        (
            "what came twice is delivered",
            "        if verdict is False:\n            self.counts.duplicates += 1\n            return False\n",
            "        if verdict is False:\n            verdict = True\n",
            "protocols/centrifugo/test_control.py",
        ),
        ("a jump is not told", "            append(verdict)\n", "", "protocols/centrifugo/test_control.py"),
        (
            "a state that was invalidated keeps its position",
            "            self.positions.set(topic, INVALIDATED)\n        return Interrupted",
            "            pass\n        return Interrupted",
            "protocols/centrifugo/test_control.py",
        ),
        (
            "an unsubscribe that was refused is one",
            '                items.append(Failed(f"unsubscribe refused',
            '                pass; (Failed(f"unsubscribe refused',
            "protocols/centrifugo/test_control.py",
        ),
        (
            "a subscription given up stays with the server",
            "                self.unsubscribe(topic, asked.successor)\n",
            "                pass\n",
            "protocols/centrifugo/test_subscribing.py",
        ),
        (
            "what the server has subscribed by itself is refused",
            "self._confirmed(asked, known, items)  # the server had",
            "self._refused(topic, error, items)  # the server had",
            "protocols/centrifugo/test_positions.py",
        ),
        (
            "an unrecoverable position is asked for again",
            "            self.positions.set(topic, INVALIDATED)\n            retryable = True",
            "            retryable = True",
            "protocols/centrifugo/test_positions.py",
        ),
        (
            "the server's word that it recovered is proof",
            "return result.recovered and proven and (brought or since.offset > 0)",
            "return result.recovered",
            "protocols/centrifugo/test_control.py",
        ),
        (
            "a stream that stands where it stood is not recovered",
            "return result.epoch == since.epoch and result.offset == since.offset > 0",
            "return False",
            "session/test_continuity_bridges.py",
        ),
        (
            "a channel without numbers is recovered",
            "if since is None or not self.pacing.replays.is_numbered(request.channel):",
            "if since is None:",
            "session/test_continuity_bridges.py",
        ),
        (
            "a replay is not told from what is live",
            "            publication.replayed = True\n",
            "",
            "protocols/centrifugo/test_control.py",
        ),
        (
            "nobody is told when the token ends",
            (
                "        if result.expires:\n"
                "            items.append(CredentialsExpiring(float(max(1, result.ttl))))\n"
            ),
            "",
            "protocols/centrifugo/test_client.py",
        ),
        (
            "nobody is told when a topic's token ends",
            "            items.append(CredentialsExpiring(float(max(1, result.ttl)), topic))\n",
            "            pass\n",
            "protocols/centrifugo/test_control.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/channel.py",
        (
            "a new epoch is no break",
            "        if began_anew:\n            return Skipped(self.topic, expected, offset)\n",
            "",
            "protocols/centrifugo/test_channel.py",
        ),
        (
            "the epoch that a publication brings is ignored",
            "        if publication.epoch:\n            self.epoch = publication.epoch\n",
            "",
            "protocols/centrifugo/test_channel.py",
        ),
        (
            "holes of a filter are told",
            "if 0 < expected < offset and not self._holes:",
            "if 0 < expected < offset:",
            "protocols/centrifugo/test_channel.py",
        ),
        (
            "a delta applies to nothing",
            (
                "                if self._base is None:\n"
                '                    raise FossilError("a delta came before anything whole")\n'
                "                data = apply_delta(self._base, data)"
            ),
            '                data = apply_delta(self._base or b"", data)',
            "protocols/centrifugo/test_fossil.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/outbox.py",
        (
            "commands go out before the answer to connect",
            "        if not connected:\n            greeting",
            "        if self._greeting is not None:\n            greeting",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "any number of pages is under way",
            "while self._pages_waiting and len(self._pages) < self._pacing.paging_window:",
            "while self._pages_waiting:",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "a command withdrawn goes out",
            "        self._outgoing = [item for item in self._outgoing if item[0] != ref]\n",
            "",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "a page withdrawn goes out",
            "        self._pages_waiting = deque(item for item in self._pages_waiting if item[0] != ref)\n",
            "",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "a page that nobody waits for holds a place",
            "        self._pages.pop(int(ref), None)  # nobody waits for it: it holds no place\n",
            "",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "a deadline runs before its command is handed out",
            "        if self._unarmed and not self._outgoing:\n",
            "        if self._unarmed:\n",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "a message may be of any size",
            "            if batch and size + len(command) + 1 > most:\n",
            "            if False:\n",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "what is overdue is told again and again",
            "        self._deadlines.clear()\n        return kind",
            "        return kind",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "an answer that came is still due",
            "        if self._deadlines.pop(number, None) is None and",
            "        if self._deadlines.get(number, None) is None and",
            "protocols/centrifugo/test_outbox.py",
        ),
        (
            "withdrawn commands are remembered without end",
            "        if len(self._withdrawn) >= MAX_WITHDRAWN:\n",
            "        if False:\n",
            "protocols/centrifugo/test_outbox.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/pacing.py",
        (
            "pages go many at a time where the server found us slow",
            "            self.paging_window = 1\n",
            "",
            "protocols/centrifugo/test_pacing.py",
        ),
        (
            "windows widen beyond what was asked for",
            "min(self._most_subscribing, self.subscribe_window * 2)",
            "self.subscribe_window * 2",
            "protocols/centrifugo/test_pacing.py",
        ),
        (
            "a window shrinks to nothing",
            "self.subscribe_window = max(1, self.subscribe_window // 2)",
            "self.subscribe_window = self.subscribe_window // 2",
            "protocols/centrifugo/test_pacing.py",
        ),
        (
            "a message that was too big is sent again",
            "            self.max_frame = max(1, self.max_frame // 2)\n",
            "            pass\n",
            "protocols/centrifugo/test_pacing.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/replays.py",
        (
            "a replay is given up for all positions",
            "known.failures >= MAX_FAILED and known.position == position",
            "known.failures >= MAX_FAILED",
            "protocols/centrifugo/test_replays.py",
        ),
        (
            "all that were under way are blamed",
            "known.failures += len(blamed) == 1",
            "known.failures += 1",
            "protocols/centrifugo/test_replays.py",
        ),
        (
            "a page that was too large is asked for again",
            "            known.page = max(1, known.page // SHRINK)\n",
            "",
            "protocols/centrifugo/test_replays.py",
        ),
        (
            "channels are remembered without end",
            "            if len(self._known) >= MAX_KNOWN:\n",
            "            if False:\n",
            "protocols/centrifugo/test_replays.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/dedup.py",
        (
            "what was seen is new",
            "            self.repeated += 1\n            return False\n",
            "            self.repeated += 1\n",
            "protocols/centrifugo/test_dedup.py",
        ),
        (
            "ids are remembered without end",
            "        if len(ids) >= self.capacity:\n",
            "        if False:\n",
            "protocols/centrifugo/test_dedup.py",
        ),
        (
            "no id at all is one",
            "        if identity is None:\n            return True\n",
            "",
            "protocols/centrifugo/test_dedup.py",
        ),
    ),
    *_of(
        "protocols/centrifugo/positions.py",
        (
            "an unheard start is one",
            "item.position if item.recovered else None",
            "item.position",
            "protocols/centrifugo/test_positions.py",
        ),
        (
            "what was not delivered counts",
            "                    self.set(item.topic, StreamPosition(offset - 1, known.epoch))\n",
            "                    pass\n",
            "protocols/centrifugo/test_positions.py",
        ),
        (
            "the server's own subscription stays where it began",
            "            result.offset = offset\n",
            "            pass\n",
            "protocols/centrifugo/test_positions.py",
        ),
    ),
    *_of(
        "protocols/graphql_ws/client.py",
        (
            "frames of an operation that is over are delivered",
            "        if topic is None:\n            self.stale += 1\n            return\n        if not",
            (
                "        if topic is None:\n"
                "            topic = message.id\n"
                "            self._topics[topic] = _Topic([])\n"
                "        if not"
            ),
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "a result proves no subscription",
            "            self._prove(topic, items)\n        message.topic",
            "            pass\n        message.topic",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "any pong answers the ping that is due",
            'if self._awaits == "pong" and reached >= self._timed_ping:',
            'if self._awaits == "pong":',
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "a pong that answers nothing is believed of a server that echoes",
            "        elif self._echoes or not self._pinged:\n",
            "        elif not self._pinged:\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "the first pong that names nothing is believed",
            "            self._outgoing.append(self._ping(self._pinged.popleft()[1]))\n",
            "            pass\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "an unanswered ping is no end",
            '            return [Failed(f"no {awaited} in time")]\n',
            "            return []\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "a ping of the server's is not answered",
            "            self._outgoing.append(msgspec.json.encode(Pong()))\n",
            "            pass\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "a second acknowledgement is one",
            "            if not self._acked:\n                self._acked = True\n",
            "            if True:\n                self._acked = True\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "the other operations of a topic go on when one ends",
            "        self.unsubscribe(topic)  # the end of one operation is the end of all\n",
            "        del self._topics[topic]\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "the end of a confirmed operation is a refusal",
            "        if known.confirmed:\n",
            "        if False:\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "old operations are not completed first",
            "        self.unsubscribe(topic)\n        self._topics[topic] = _Topic(ids)",
            "        self._topics[topic] = _Topic(ids)",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "what was not read on purpose is judged",
            "            self._deadline = now + patience\n",
            "            pass\n",
            "protocols/graphql_ws/test_client.py",
        ),
        (
            "a reason shows a secret",
            'return redact("; ".join(text for text in told if text))[:_MAX_SAID]',
            'return "; ".join(text for text in told if text)[:_MAX_SAID]',
            "protocols/graphql_ws/test_client.py",
        ),
    ),
    *_of(
        "book/sequence.py",
        (
            "a hole in the numbers is none",
            "first == seen + self._step\n            and first <= last\n",
            "first >= seen + self._step\n            and first <= last\n",
            "book/test_sequence.py",
        ),
        (
            "numbers that run backwards are applied",
            "            and first <= last\n        ):",
            "        ):",
            "book/test_sequence.py",
        ),
        (
            "a duplicate is a hole",
            '        if last <= seen:\n            return Ignored("a duplicate")\n',
            "",
            "book/test_sequence.py",
        ),
        (
            "an overlap is applied where sizes are not absolute",
            "if first < expected and self.numbering.overlap:",
            "if first < expected:",
            "book/test_sequence.py",
        ),
        (
            "a snapshot older than the book replaces it",
            (
                "            if last < self.last:\n"
                '                return Ignored("the snapshot is older than the book")\n'
            ),
            "",
            "book/test_sequence.py",
        ),
        (
            "a version that is not newer replaces the book",
            '            if kind == "versioned" and last <= self.last:\n',
            "            if False:\n",
            "book/test_sequence.py",
        ),
        (
            "a hole behind a snapshot is none",
            (
                "            if type(verdict) is Resync:\n"
                "                self._unseed()\n"
                '                return Resync(f"the snapshot'
            ),
            (
                "            if False:\n"
                "                self._unseed()\n"
                '                return Resync(f"the snapshot'
            ),
            "book/test_sequence.py",
        ),
        (
            "the delta that shows a hole is forgotten",
            "                self._held.append((first, last, delta))\n        return verdict",
            "                pass\n        return verdict",
            "book/test_sequence.py",
        ),
        ("a reset keeps what is held", "        self._held.clear()\n", "", "book/test_sequence.py"),
        (
            "what the snapshot contains is applied behind it",
            "            if verdict is APPLIED:\n                seen = behind\n",
            "            if True:\n                seen = behind\n",
            "book/test_sequence.py",
        ),
    ),
    *_of(
        "book/side.py",
        (
            "a level without size stays",
            "                    del prices[place], known[place]\n                    depth -= 1\n",
            "                    pass\n",
            "book/test_side.py",
        ),
        (
            "a size that changes adds a price",
            "            if place < depth and prices[place] == price:\n",
            "            if False:\n",
            "book/test_side.py",
        ),
        (
            "the best bid is the lowest",
            "        return prices[-1] if self.descending else prices[0]\n",
            "        return prices[0]\n",
            "book/test_side.py",
        ),
        (
            "a snapshot keeps a level without size",
            "for price, (size, _) in known.items() if size)",
            "for price, _ in known.items())",
            "book/test_side.py",
        ),
    ),
    *_of(
        "book/book.py",
        (
            "a crossed book is live",
            "if bids and offers and bids[-1] >= offers[0] and not self._may_cross:",
            "if False:",
            "book/test_book.py",
        ),
        (
            "a locked book is live",
            "if bids and offers and bids[-1] >= offers[0] and not self._may_cross:",
            "if bids and offers and bids[-1] > offers[0] and not self._may_cross:",
            "book/test_book.py",
        ),
        (
            "a book may have any number of levels",
            'if len(bids) > self.max_levels or len(offers) > self.max_levels:\n            return f"more',
            'if False:\n            return f"more',
            "book/test_book.py",
        ),
        ("a negative size is one", "zero <= size < size_below", "size < size_below", "book/test_book.py"),
        (
            "a price of zero is one",
            "if not (zero < price < price_below",
            "if not (zero <= price < price_below",
            "book/test_book.py",
        ),
        (
            "an invalidated book is live",
            '        self.state = "stale" if self.state != "empty" else "empty"\n',
            "",
            "book/test_book.py",
        ),
        (
            "numbers hold over an invalidation",
            "        self._sequencer.reset()\n        self.state = ",
            "        self.state = ",
            "book/test_book.py",
        ),
        (
            "a book that was refused is live",
            '            self.state, self.reason = "stale", verdict.reason\n',
            "            pass\n",
            "book/test_book.py",
        ),
    ),
    *_of(
        "book/orders.py",
        (
            "an older update is applied",
            "        if self._is_older(order, last):\n            return False\n",
            "",
            "book/test_orders.py",
        ),
        (
            "a late update brings an order back",
            "self._gone.get(order_id) if known is None else known.updated_at\n        if self",
            "None if known is None else known.updated_at\n        if self",
            "book/test_orders.py",
        ),
        (
            "an order that moves stays at its old price",
            "                touched[known.side].add(known.price)\n",
            "                pass\n",
            "book/test_orders.py",
        ),
        (
            "a level stays when its last order goes",
            "        if count + sign == 0:\n            del totals[order.price]\n        else:\n",
            "        if True:\n",
            "book/test_orders.py",
        ),
        (
            "orders without end",
            "        if len(self._orders) > self.max_orders:\n            return self.levels",
            "        if False:\n            return self.levels",
            "book/test_orders.py",
        ),
        (
            "orders that are gone are remembered without end",
            "        if len(self._gone) > GONE_CAPACITY:\n",
            "        if False:\n",
            "book/test_orders.py",
        ),
        (
            "updates before the snapshot are applied",
            '        if self.state != "live":\n            return Ignored("no snapshot yet")\n        touched',
            "        touched",
            "book/test_orders.py",
        ),
        (
            "a snapshot forgets the times that were known",
            "            self._put(self._with_time(order, known), None)\n",
            "            self._put(order, None)\n",
            "book/test_orders.py",
        ),
        (
            "a snapshot forgets who is gone",
            "                self._remember(order_id, known.updated_at)\n        return self.levels.replace",
            "                pass\n        return self.levels.replace",
            "book/test_orders.py",
        ),
    ),
    *_of(
        "transport/frames.py",
        (
            "a masked frame is taken",
            "    if second & 0x80 or first & 0x0F not in _OPCODES:\n",
            "    if first & 0x0F not in _OPCODES:\n",
            "transport/test_frames.py",
        ),
        (
            "text that is not UTF-8 is taken",
            "                payload.decode()\n            append(payload)",
            "                pass\n            append(payload)",
            "transport/test_frames.py",
        ),
        (
            "a frame larger than allowed is taken",
            "        if stop > end or length > max_size:\n",
            "        if stop > end:\n",
            "transport/test_frames.py",
        ),
        (
            "a long header that is cut off is read",
            "                if end - position < 10:\n                    break\n                (length,)",
            "                (length,)",
            "transport/test_fast.py",
        ),
    ),
    *_of(
        "transport/fast.py",
        (
            "what belongs to the core is cut as a frame",
            "                self._core_bytes -= piece\n",
            "                self._core_bytes = 0\n",
            "transport/test_fast.py",
        ),
        (
            "a pong that names no ping of ours is one",
            "if self._awaited and frame.data == self._awaited:",
            "if self._awaited:",
            "transport/test_fast.py",
        ),
        (
            "an old pong counts",
            '                        self._awaited = b""\n                        self._pongs',
            "                        self._pongs",
            "transport/test_fast.py",
        ),
        (
            "fragments without end",
            "        elif len(fragments) >= MAX_FRAGMENTS:\n",
            "        elif False:\n",
            "transport/test_fast.py",
        ),
        (
            "a peer that does not read fills our memory",
            "            if self._socket.get_write_buffer_size() > self._endpoint.send_buffer:\n",
            "            if False:\n",
            "faults/test_wire_faults.py",
        ),
        (
            "a peer that does not let go of the socket is waited for",
            "        if self._ignore_input and self._linger_timer is None and core.close_expected():\n",
            "        if False:\n",
            "transport/test_fast.py",
        ),
        (
            "the end is told twice",
            "        if self._told:\n            return\n        self._told = True\n",
            "        self._told = True\n",
            "transport/test_fast.py",
        ),
    ),
    *_of(
        "transport/limiter.py",
        (
            "places given back are lost",
            (
                "            if place.is_free:\n"
                "                if not has_room:\n"
                "                    has_room, self._arrival = True, place.before\n"
                "                continue\n"
            ),
            "            if place.is_free:\n                continue\n",
            "transport/test_limiter.py",
        ),
        (
            "a hold is not kept",
            "self._held_until = max(self._held_until, now + seconds)",
            "pass",
            "transport/test_limiter.py",
        ),
        (
            "a later hold shortens the first",
            "self._held_until = max(self._held_until, now + seconds)",
            "self._held_until = now + seconds",
            "transport/test_limiter.py",
        ),
        (
            "a burst is as large as one likes",
            "arrival - self._interval * (self.burst - 1)",
            "arrival - self._interval * 1e9",
            "transport/test_limiter.py",
        ),
        (
            "a cancelled wait gives nothing back",
            "            limiter._give_back(place, clock)\n",
            "            pass\n",
            "transport/test_limiter.py",
        ),
        (
            "one name has two figures",
            "    if repr(limiter) != repr(wanted):\n",
            "    if False:\n",
            "transport/test_limiter.py",
        ),
        (
            "who moved up is not told",
            "            turn.moved()\n\n    def _move_up",
            "            pass\n\n    def _move_up",
            "transport/test_limiter.py",
        ),
    ),
    *_of(
        "retry.py",
        (
            "a Retry-After is no floor",
            "min(max(0.0, retry_after), MAX_RETRY_AFTER) + wait",
            "wait",
            "test_retry.py",
        ),
        (
            "a Retry-After may be of days",
            "min(max(0.0, retry_after), MAX_RETRY_AFTER) + wait",
            "max(0.0, retry_after) + wait",
            "test_retry.py",
        ),
        (
            "a short outage is waited for as a long one",
            "            ceiling = min(ceiling, max(self.initial_backoff, lasted))\n",
            "            pass\n",
            "test_retry.py",
        ),
    ),
    *_of(
        "transport/http.py",
        (
            "a call that may have been done is done again",
            "(idempotent and error.retryable)",
            "error.retryable",
            "transport/test_http.py",
        ),
        (
            "a call that was refused unread is given up",
            "refused_unread = error.status == HTTPStatus.TOO_MANY_REQUESTS or not error.sent",
            "refused_unread = False",
            "transport/test_http.py",
        ),
        (
            "a Retry-After of an hour is slept through",
            "    if error.retry_after is not None and error.retry_after > max_wait:\n        return None\n",
            "",
            "transport/test_http.py",
        ),
        (
            "a 429 lets others through",
            (
                "                self.budget.hold(self.settings.clock.monotonic(), "
                "min(retry_after, self.settings.max_wait))\n"
            ),
            "                pass\n",
            "transport/test_http.py",
        ),
        (
            "an answer may be of any size",
            "        body += chunk\n        if len(body) > self.settings.max_size:\n",
            "        body += chunk\n        if False:\n",
            "transport/test_http.py",
        ),
        (
            "a redirect is an answer",
            "        if status < 300:\n",
            "        if status < 400:\n",
            "transport/test_http.py",
        ),
    ),
    *_of(
        "transport/tunnel.py",
        (
            "a proxy's refusal is a tunnel",
            "    if not 200 <= status < 300:\n",
            "    if False:\n",
            "transport/test_tunnel.py",
        ),
        (
            "a proxy's failure leaves its socket open",
            (
                "        except BaseException:\n"
                "            transport.abort()\n"
                "            raise\n"
                "    except (OSError"
            ),
            "        except BaseException:\n            raise\n    except (OSError",
            "transport/test_tunnel.py",
        ),
    ),
    *_of(
        "transport/proxies.py",
        (
            "this machine is reached through a proxy",
            "    if is_loopback(host):\n        return None\n",
            "",
            "transport/test_proxies.py",
        ),
        (
            "networks in NO_PROXY are ignored",
            (
                '            if address in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):\n'
                "                return True\n"
            ),
            "            pass\n",
            "transport/test_proxies.py",
        ),
        (
            "NO_PROXY is ignored",
            "            if _is_excepted(host, port):\n                return None\n",
            "",
            "transport/test_proxies.py",
        ),
        (
            "a proxy's password is shown",
            '        return f"{self.scheme}://{self._where}"\n',
            "        return self.url\n",
            "transport/test_proxies.py",
        ),
        (
            "a password with an at sign ends there",
            'unquote(parts.password or "")',
            'parts.password or ""',
            "transport/test_proxies.py",
        ),
        (
            "our machine resolves the venue's name",
            'scheme = "socks5h" if self.is_socks else self.scheme',
            "scheme = self.scheme",
            "transport/test_tunnel.py",
        ),
    ),
    *_of(
        "transport/outcomes.py",
        (
            "the peer's echo of our close is its word",
            (
                "    if failed and sent is not None:\n"
                "        return ConnectionLost(sent.reason, int(sent.code), ours=True)\n"
            ),
            "",
            "transport/test_outcomes.py",
        ),
        (
            "a distrusted certificate is tried again",
            "retryable=not distrusted)",
            "retryable=True)",
            "transport/test_trust.py",
        ),
        (
            "a header of two lines is sent",
            'if not name.isascii() or any(character in name + value for character in "\\r\\n\\0"):',
            "if not name.isascii():",
            "transport/test_outcomes.py",
        ),
    ),
    *_of(
        "streams/merging.py",
        *(
            (name, old, new, "streams/test_merging.py")
            for name, old, new in (
                (
                    "a stream that has more is not asked again",
                    "            if item is not _NOTHING:\n                self.ready.append(source)\n",
                    "",
                ),
                (
                    "a batch ends with its first item",
                    "            if source.ahead:\n                self.ready.append(source)\n            elif",
                    "            if",
                ),
                (
                    "a stream that came to its end with others unread ends them",
                    "        self.living -= 1\n        return _NOTHING\n",
                    "        self.living = 0\n        return _NOTHING\n",
                ),
                (
                    "a stream that failed is waited for",
                    "        self.living -= 1\n        self.failed.append",
                    "        self.failed.append",
                ),
                (
                    "a stream that is read by a task waits for a pause of the others",
                    "        self._is_reader_due = True\n",
                    "",
                ),
                (
                    "a merge that never waits keeps the event loop",
                    "if self._is_reader_due or now - self._slice_began > SLICE_SECONDS:",
                    "if self._is_reader_due:",
                ),
                (
                    "a stream is read ahead without end",
                    "        try:\n            await source.room\n        finally:\n            source.room = None\n",
                    "        source.room = None\n",
                ),
                (
                    "a merge that was left begins",
                    "        if self._loop is None and not self.is_left:\n",
                    "        if self._loop is None:\n",
                ),
                (
                    "a merge goes on in another event loop",
                    "        elif self._loop not in (loop, None):\n",
                    "        elif False:\n",
                ),
                (
                    "two tasks wait in one merge",
                    "            if self._taker is not None:\n                raise ConfigurationError",
                    "            if False:\n                raise ConfigurationError",
                ),
                (
                    "whoever waits does not hear that the merge was left",
                    "            self._taker.set_result(None)\n        loop =",
                    "            pass\n        loop =",
                ),
                (
                    "a merge that nobody holds keeps its streams",
                    "                source.stream = source.poll = None",
                    "                pass",
                ),
                (
                    "a merge that nobody holds still waits for its streams",
                    "        return self.merging.is_left\n",
                    "        return False\n",
                ),
                (
                    "the readers of a merge that nobody holds go on",
                    "            self._loop.call_soon_threadsafe(self.stop_readers)\n",
                    "            pass\n",
                ),
                (
                    "the failure of leaving a stream is not told",
                    "        failure = source.error or source.closing_error\n",
                    "        failure = source.error\n",
                ),
            )
        ),
    ),
    *_of(
        "venues/kit/http.py",
        (
            "kit: an awaited call does not say where it goes",
            'or its answer, amounts to."""\n        self._announcement.say()\n',
            'or its answer, amounts to."""\n',
            "venues/kit/test_http.py",
        ),
        (
            "kit: a blocking call does not say where it goes",
            '        """As `Api.call`, blocking."""\n        self._announcement.say()\n',
            '        """As `Api.call`, blocking."""\n',
            "venues/kit/test_http.py",
        ),
        (
            "kit: an error of an awaited call carries its request",
            (
                "reply = await self._http.request(call.method, call.path, **call.options)\n"
                "        except HttpError as error:\n"
                "            failure = self._meaning(call, error)\n"
            ),
            (
                "reply = await self._http.request(call.method, call.path, **call.options)\n"
                "        except HttpError as error:\n"
                "            raise self._meaning(call, error)\n"
            ),
            "venues/kit/test_http.py",
        ),
        (
            "kit: an error of a blocking call carries its request",
            (
                "reply = self._http.request(call.method, call.path, **call.options)\n"
                "        except HttpError as error:\n"
                "            failure = self._meaning(call, error)\n"
            ),
            (
                "reply = self._http.request(call.method, call.path, **call.options)\n"
                "        except HttpError as error:\n"
                "            raise self._meaning(call, error)\n"
            ),
            "venues/kit/test_http.py",
        ),
        (
            "kit: a call that may be repeated is to be looked up",
            'doubt = "" if call.options.get("idempotent") else call.lookup',
            "doubt = call.lookup",
            "venues/kit/test_http.py",
        ),
        (
            "kit: a call that failed is never to be looked up",
            "of_http(error, lookup=doubt,",
            'of_http(error, lookup="",',
            "venues/kit/test_http.py",
        ),
        (
            "kit: a sign-in that is refused is any refusal",
            "lookup=doubt, signing_in=call.signing_in)",
            "lookup=doubt, signing_in=False)",
            "venues/kit/test_http.py",
        ),
        (
            "kit: a change whose answer cannot be read is forgotten",
            "changes=call.changes,",
            "changes=False,",
            "venues/kit/test_http.py",
        ),
        (
            "kit: an answer that cannot be read does not say how to look it up",
            "                lookup=call.lookup,\n",
            '                lookup="",\n',
            "venues/kit/test_http.py",
        ),
        (
            "kit: an answer that cannot be read has no number for the support",
            "request_id=request_id_of(reply),",
            "request_id=None,",
            "venues/kit/test_http.py",
        ),
        (
            "kit: what signs in is shown",
            "refuse, confidential=call.signing_in)",
            "refuse, confidential=False)",
            "venues/kit/test_http.py",
        ),
        (
            "kit: a call shows what it sends",
            'return f"Call({self.operation})"',
            'return f"Call({self.operation}, {self.options})"',
            "venues/kit/test_http.py",
        ),
        (
            "kit: the number of a call has no bound",
            '"")[:128] or None',
            '"") or None',
            "venues/kit/test_http.py",
        ),
    ),
    *_of(
        "venues/kit/graphql.py",
        (
            "kit: what was answered beside errors is not told",
            "executed=isinstance(data, dict) and data.get(name) is not None",
            "executed=False",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: whatever came beside errors counts as carried out",
            "executed=isinstance(data, dict) and data.get(name) is not None",
            "executed=True",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a document that may be repeated is to be looked up",
            'lookup="" if idempotent else lookup',
            "lookup=lookup",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: errors of a sign-in are any errors",
            "                signing_in=signing_in,\n                lookup=",
            "                signing_in=False,\n                lookup=",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: no data is read as data",
            '        read_shape({"data": data}, {"data": {}})\n',
            "",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a result without end is a crash",
            "except RecursionError:\n            raise Unreadable",
            "except ZeroDivisionError:\n            raise Unreadable",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a document that may not be sent twice may",
            '"idempotent": idempotent,',
            '"idempotent": True,',
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a document goes out without its variables",
            '"variables": dict(variables)})',
            '"variables": {}})',
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a variable that JSON cannot say is a crash",
            "except (TypeError, ValueError, RecursionError):",
            "except ValueError:",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a selection forgets the arguments of inner fields",
            'selection_of(inner, passed)}"',
            'selection_of(inner)}"',
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: a selection of what may be null asks for nothing",
            "    if isinstance(shape, Maybe):\n        return selection_of(shape.shape, arguments)\n",
            "",
            "venues/kit/test_graphql.py",
        ),
        (
            "kit: errors of GraphQL have no number for the support",
            "request_id=request_id_of(reply),",
            "request_id=None,",
            "venues/kit/test_graphql.py",
        ),
    ),
    *_of(
        "venues/kit/feeds.py",
        (
            "kit: a lost line is not told",
            'self.handle(ContinuityInput.LOST, mark.reason or "asked for again")',
            "pass",
            "market/test_killed.py",
        ),
        (
            "kit: a book whose line is lost is mute still",
            "            self._revive()  # a line that is lost",
            "            # a line that is lost",
            "market/test_killed.py",
        ),
        (
            "kit: events are no better for a replay than a state",
            "        if not self.source.is_state:\n            self.handle(ContinuityInput.PROVEN)\n",
            "        if False:\n",
            "market/test_killed.py",
        ),
        (
            "kit: events are live before they begin again",
            "        elif not self.source.begins_itself:\n",
            "        else:\n",
            "market/test_killed.py",
        ),
        (
            "kit: a snapshot that did not come rebuilds",
            'is_rebuilt=mark.reason != "reseed failed"',
            "is_rebuilt=True",
            "market/test_killed.py",
        ),
        (
            "kit: a gap of a state is over as soon as it is said",
            "if is_rebuilt:\n                self.handle(ContinuityInput.REBUILDING, reason)",
            "if is_rebuilt:\n                self.handle(ContinuityInput.PROVEN, reason)",
            "market/test_killed.py",
        ),
        (
            "kit: a gap changes nothing",
            "        self.handle(ContinuityInput.BROKEN, reason, missed)\n        if self.source.is_state",
            "        if self.source.is_state",
            "market/test_killed.py",
        ),
    ),
    *_of(
        "venues/template/protocol.py",
        (
            "template: a jump of the numbers is not said",
            "return [Skipped(frame.channel, expected, frame.seq, frame.seq - expected), update]",
            "return [update]",
            "market/test_claims.py",
        ),
    ),
    *_of(
        "venues/sxbet/own.py",
        (
            "sxbet: what a hole hid of own orders is not looked up",
            'else {"snapshot": self._look_up}',
            "else {}",
            "market/test_claims.py",
        ),
    ),
    *_of(
        "venues/stake/market.py",
        (
            "stake: what a lost line hid is not looked up",
            "announce=True, snapshot=self._look_up)",
            "announce=True)",
            "market/test_claims.py",
        ),
    ),
    *_of(
        "venues/sxbet/levels.py",
        (
            "sxbet: a level of no size is one at a glance",
            'if not odds or size < "1":',
            "if not odds:",
            "venues/sxbet/test_sxbet_levels.py",
        ),
        (
            "sxbet: a size that is no number is one at a glance",
            "return best if not levels or (sizes.isdigit() and sizes.isascii()) else None",
            "return best",
            "venues/sxbet/test_sxbet_levels.py",
        ),
        (
            "sxbet: levels that nobody looked at outlive the next book",
            "        self._late = None\n        super().replace(levels, told)\n",
            "        super().replace(levels, told)\n",
            "venues/sxbet/test_sxbet_levels.py",
        ),
    ),
    *_of(
        "venues/stx/merge.py",
        (
            "stx: a trade of a known moment is new without being compared",
            "        if keys[0][0] <= self._known[-1][0] or keys != sorted(keys, key=_moment):",
            "        if False:",
            "venues/stx/test_stx_merge.py",
        ),
    ),
    *_of(
        "venues/stx/followers.py",
        (
            "stx: a gap of the channel is told to no market",
            "            self.port.mark(mark)  # else there was nothing yet that could break",
            "            pass",
            "market/test_claims.py",
        ),
    ),
    *_of(
        "venues/weex/books.py",
        (
            "weex: a change that does not follow is not said",
            '        elif type(verdict) is Resync:\n            self._lost(verdict.reason, "sequence")\n',
            "",
            "market/test_claims.py",
        ),
        (
            "weex: a book that is asked for anew does not hear that its line is lost",
            "self._lines.watch_loss(self.topic, self._line_lost)",
            "pass",
            "market/test_killed.py",
        ),
    ),
    *_of(
        "venues/weex/own.py",
        (
            "weex: fills that are looked up are told to nobody",
            "return Items([*gaps, *self._memory.reconcile(fills)])",
            "return Items(gaps)",
            "market/test_claims.py",
        ),
    ),
    *_of(
        "trading/gate.py",
        (
            "an order that ended is forgotten before its fills were heard",
            "if kept.ends_at is not None and not kept.left:",
            "if kept.ends_at is not None:",
            "trading/test_gate.py",
        ),
    ),
    *_of(
        "trading/fills.py",
        (
            "a late print takes once more what is gone from the book already",
            "            size = EXACT.subtract(size, late)\n",
            "",
            "trading/test_fills.py",
        ),
        (
            "a late print meets who came behind it",
            "order.price != price and order.since_ns < gone_ns",
            "order.price != price",
            "trading/test_fills.py",
        ),
    ),
    *_of(
        "venues/paper/followed.py",
        (
            "an account on paper goes on through a gap",
            "            self._engine.lose(self._name, now_ns)\n",
            "",
            "venues/paper/test_paper_market.py",
        ),
        (
            "feeds of an account on paper are live though its market is not",
            '            self._account.lose(self._name, f"{self._name}: {reason}")\n',
            "",
            "venues/paper/test_paper_market.py",
        ),
    ),
)

QUICK = (
    "nothing is read first after a suspend",
    "a bridge with a hole is whole",
    "a late put after the end comes in",
    "what a cancelled request takes back is a later one's",
    "two requests for a token are under way at once",
    "data counts as a pong",
    "a fresh token is asked for again and again",
    "a second heartbeat goes out before the first is answered",
    "a new epoch is no break",
    "a duplicate is a hole",
)
"""The names of those that every run of the tests tries: one or two of each room, a second each."""
