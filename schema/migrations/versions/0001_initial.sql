-- Feedline's first schema. Identifiers of messages and feeds carry their day (worker/core/ids.py), so that the tables
-- which grow without end are partitioned by day and dropped by retention, and an identifier alone finds its partition.

CREATE TABLE schema_compatibility (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    readable_since  text NOT NULL              -- the oldest revision whose workers may run on this schema
);
INSERT INTO schema_compatibility (readable_since) VALUES ('0001');

-- One authorisation: an application acting for a selling partner in a region. Connections of one seller share it.
CREATE TABLE account (
    id                  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id           text NOT NULL,
    selling_partner_id  text NOT NULL,
    region              text NOT NULL CHECK (region IN ('NA', 'EU', 'FE')),
    client_secret       bytea,                 -- sealed; NULL: FEEDLINE_LWA_CLIENT_SECRET
    refresh_token       bytea NOT NULL,        -- sealed
    access_token        bytea,                 -- sealed
    access_expires_at   timestamptz,
    token_generation    bigint NOT NULL DEFAULT 0,
    access_renew_at     timestamptz,           -- a little before it expires
    renewing_until      timestamptz,           -- lease of the one worker that renews the token
    login_failures      integer NOT NULL DEFAULT 0, -- in a row, by no fault of the credentials
    login_not_before    timestamptz,           -- after a failure or a fault
    authorization_fault text,                  -- NULL: authorised, as far as is known
    usage_plans         jsonb NOT NULL DEFAULT '{}', -- the application's own, in place of Amazon's published: operation -> {rate, burst}
    UNIQUE (client_id, selling_partner_id, region)
);

CREATE TABLE connection (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    account_id      integer NOT NULL REFERENCES account,
    marketplace_id  text NOT NULL,
    settings        jsonb NOT NULL,            -- the connection file's entry, completed by its rules and mapping sets, without secrets
    paused          boolean NOT NULL DEFAULT false,
    revision        integer NOT NULL DEFAULT 1,
    applied_at      timestamptz NOT NULL DEFAULT now(),
    copy_of         integer REFERENCES connection -- what it was duplicated from: a preview compares with that
);

-- Token buckets and sliding windows of Amazon's usage plans, one account for the whole fleet.
CREATE TABLE quota (
    account_id    integer NOT NULL REFERENCES account ON DELETE CASCADE,
    operation     text NOT NULL,
    rate          double precision NOT NULL CHECK (rate > 0), -- calls a second, as told by Amazon or published
    burst         integer NOT NULL CHECK (burst > 0),
    tokens        double precision NOT NULL,
    updated_at    timestamptz NOT NULL,
    leases        jsonb NOT NULL DEFAULT '{}',   -- calls under way: lease -> [since, until] (epoch seconds)
    recent        double precision[] NOT NULL DEFAULT '{}', -- sliding windows: when the last calls ended (epoch seconds)
    waiting_until timestamptz,                 -- after a 429
    confirmed_at  timestamptz NOT NULL,        -- Amazon surely had this rate then
    changed_at    timestamptz NOT NULL,        -- when we last heard that it had changed
    PRIMARY KEY (account_id, operation)
) WITH (fillfactor = 50);

CREATE SEQUENCE message_id AS bigint INCREMENT BY 1000; -- a block for each staging transaction
CREATE SEQUENCE feed_id AS bigint;

-- What identifies a message. A unique index must hold the partition key, so this is a table of its own.
CREATE TABLE identity (
    source       text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    message_id   bigint NOT NULL,
    digest       bytea NOT NULL,
    PRIMARY KEY (source, external_id)
) PARTITION BY HASH (source, external_id);

-- The message log.
CREATE TABLE message (
    id             bigint NOT NULL PRIMARY KEY,
    received_at    timestamptz NOT NULL,
    source         text NOT NULL,
    external_id    text NOT NULL,
    type           text NOT NULL,
    connection     text,
    connection_id  integer,                    -- NULL: a connection that did not exist
    key            text COLLATE "C",
    facets         text[] NOT NULL,
    sequence       bigint,
    time           timestamptz,
    traceparent    text,
    warnings       jsonb,
    body           bytea NOT NULL              -- data, as canonical JSON
) PARTITION BY RANGE (id);
CREATE INDEX message_by_key ON message (connection_id, key, id);
CREATE INDEX message_by_external_id ON message (external_id);

CREATE TABLE repeat (
    message_id  bigint NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX repeat_by_message ON repeat (message_id);

-- The one terminal word for a message.
CREATE TABLE outcome (
    message_id       bigint NOT NULL PRIMARY KEY,
    connection_id    integer,
    type             text NOT NULL,
    outcome          text NOT NULL CHECK (outcome IN
        ('accepted', 'accepted_with_warnings', 'rejected', 'invalid', 'superseded', 'unchanged', 'skipped')),
    reason           text,
    superseded_by    bigint,
    feed_id          bigint,
    feed_message_id  integer,
    issues           jsonb,
    facets           jsonb,                    -- the fate of each facet, where they differ
    decided_at       timestamptz NOT NULL,
    CHECK ((outcome = 'superseded') = (superseded_by IS NOT NULL))
) PARTITION BY RANGE (message_id);
CREATE INDEX outcome_by_connection ON outcome (connection_id, decided_at);

-- Deliveries that were refused, with their original bytes.
CREATE TABLE rejected (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL,
    queue         text NOT NULL,
    content_type  text,
    headers       jsonb NOT NULL,
    body          bytea NOT NULL,
    issues        jsonb NOT NULL,
    source        text,
    external_id   text,
    type          text,
    connection    text,
    message_id    bigint,
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded'))
);
CREATE INDEX rejected_by_state ON rejected (state, id);
CREATE INDEX rejected_by_external_id ON rejected (external_id);
CREATE INDEX rejected_by_message ON rejected (message_id) WHERE message_id IS NOT NULL;

-- What Amazon says of a SKU.
CREATE TABLE listing (
    connection_id        integer NOT NULL REFERENCES connection,
    sku                  text COLLATE "C" NOT NULL, -- the upstream's, without the connection's prefix
    product_type         text NOT NULL,
    product_type_source  text NOT NULL CHECK (product_type_source IN ('amazon', 'message', 'fallback', 'manual')),
    asin                 text,
    channels             text[] NOT NULL,      -- fulfillment channel codes that Amazon reports
    linked_at            timestamptz,          -- NULL: Amazon never confirmed it, but a product type was set by hand
    PRIMARY KEY (connection_id, sku)
);
-- Finds SKUs that differ only by case or spaces, as imported_listing_folded does.
CREATE INDEX listing_folded ON listing (connection_id, lower(translate(sku, E' \u00a0\u3000', '')));

CREATE TABLE feed (
    id                   bigint PRIMARY KEY,
    connection_id        integer NOT NULL REFERENCES connection,
    kind                 text NOT NULL,
    feed_type            text NOT NULL,
    state                text NOT NULL CHECK (state IN ('cut', 'document_created', 'uploaded', 'submitting', 'in_queue',
                             'in_progress', 'done', 'settled', 'cancelled', 'fatal', 'abandoned')),
    split_id             bigint,               -- the group of undecided changes that this feed sends again
    batch                text,                 -- what its keys have in common: worker/core/rendered.py
    fulfillment_channel  text,                 -- the connection's, when it was cut: where its quantities went
    messages             integer NOT NULL CHECK (messages > 0),
    first_message_id     integer NOT NULL,
    document             bytea NOT NULL,       -- gzip of the exact bytes that are uploaded
    document_bytes       integer NOT NULL,     -- uncompressed
    created_at           timestamptz NOT NULL,
    changed_at           timestamptz NOT NULL,
    due_at               timestamptz,          -- when the next step may be taken; NULL: nothing more to do
    claimed_until        timestamptz,
    dispatched_until     timestamptz,
    attempts             integer NOT NULL DEFAULT 0,
    lease                text,                 -- the createFeed token that was taken when the feed was cut
    amazon_document_id   text,
    upload_url           bytea,                -- sealed: a presigned URL is a credential
    submitted_at         timestamptz,          -- when createFeed was called
    unclear_since        timestamptz,          -- createFeed's answer was lost
    looks                integer NOT NULL DEFAULT 0,
    ruled_out            text[] NOT NULL DEFAULT '{}', -- feeds of Amazon's that were not this one: their reports are not read again
    amazon_feed_id       text,
    result_document_id   text,
    report               bytea,                -- gzip of Amazon's processing report
    accepted             integer,
    rejected             integer,
    undecided            integer,
    fault                text
);
CREATE INDEX feed_due ON feed (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX feed_by_lane ON feed (connection_id, kind, id);
CREATE UNIQUE INDEX feed_amazon_id ON feed (connection_id, amazon_feed_id);

CREATE TABLE feed_event (
    feed_id  bigint NOT NULL,
    at       timestamptz NOT NULL,
    state    text NOT NULL,
    note     text
);
CREATE INDEX feed_event_by_feed ON feed_event (feed_id);

-- One numbered entry of a feed document, and the message versions that it carries.
CREATE TABLE feed_message (
    feed_id     bigint NOT NULL,
    message_id  integer NOT NULL,
    key         text COLLATE "C" NOT NULL,
    flight      json NOT NULL,                 -- worker/core/coalescing.py: Flight
    verdict     text CHECK (verdict IN ('accepted', 'accepted_with_warnings', 'rejected', 'undecided')), -- NULL, feed settled: accepted
    issues      jsonb,
    PRIMARY KEY (feed_id, message_id)
) PARTITION BY RANGE (feed_id);
-- Those of orders, which are few among those of SKUs: a shipment may wait long, and many feeds go meanwhile.
CREATE INDEX feed_message_of_order ON feed_message (key) WHERE key LIKE '___-_______-_______';

-- All that is known of one key: what must still reach Amazon, what is on its way, what Amazon is known to have.
-- Promise 2, at most one change in flight for a connection and SKU, is this table's primary key: a key has one feed_id.
CREATE TABLE key_state (
    connection_id    integer NOT NULL REFERENCES connection,
    kind             text NOT NULL,
    key              text COLLATE "C" NOT NULL,
    state            text NOT NULL CHECK (state IN ('idle', 'unlinked', 'ready', 'held', 'in_feed')),
    hold_reason      text,
    linked           boolean NOT NULL DEFAULT false,
    priority         smallint NOT NULL DEFAULT 1,
    pending          json,                     -- worker/core/coalescing.py: Change
    pending_since    timestamptz,
    versions         json NOT NULL, -- json, not jsonb: read and written whole for every message, it stays as it was spelt
    confirmed        json NOT NULL DEFAULT '{}', -- facet -> value, as Amazon's reports have confirmed it
    lead_time_said   smallint,
    feed_id          bigint,
    feed_message_id  integer,                  -- of the first of its feed messages there
    feed_messages    integer,                  -- how many there are, numbered in a row
    split_id         bigint,
    link_after       timestamptz,              -- not asked about before: its listing may come until then, or asking about it failed
    PRIMARY KEY (connection_id, kind, key),
    CHECK ((state = 'in_feed') = (feed_id IS NOT NULL)),
    CHECK ((feed_id IS NULL) = (feed_message_id IS NULL)),
    CHECK ((feed_id IS NULL) = (feed_messages IS NULL)),
    CHECK ((state = 'held') = (hold_reason IS NOT NULL)),
    CHECK (state NOT IN ('unlinked', 'ready', 'held') OR pending IS NOT NULL),
    CHECK (state <> 'idle' OR pending IS NULL),
    CHECK ((pending IS NULL) = (pending_since IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX key_ready ON key_state (connection_id, kind, priority, pending_since) WHERE state = 'ready' AND split_id IS NULL;
CREATE INDEX key_split ON key_state (split_id) WHERE split_id IS NOT NULL;
CREATE INDEX key_unlinked ON key_state (connection_id, priority, pending_since) WHERE state = 'unlinked';
CREATE INDEX key_held ON key_state (connection_id, hold_reason) WHERE state = 'held';

-- A lane: one connection and one kind, what may share a feed. Its row is the lock under which feeds are cut.
CREATE TABLE lane (
    connection_id    integer NOT NULL REFERENCES connection,
    kind             text NOT NULL,
    next_message_id  integer NOT NULL DEFAULT 1,
    not_before       timestamptz,              -- no token before then
    dispatched_until timestamptz,
    failing_feeds    integer NOT NULL DEFAULT 0, -- feeds in a row without one accepted message
    failing_size     integer NOT NULL DEFAULT 0, -- messages in the first of them
    flush_until      timestamptz,              -- until then changes do not linger: somebody waits for them
    PRIMARY KEY (connection_id, kind)
);

-- Time-limited rights to do something that one worker at a time should do.
CREATE TABLE lease (
    name   text PRIMARY KEY,
    until  timestamptz NOT NULL
);

-- Undecided changes that go again in a feed of their own, until the culprit is alone.
CREATE TABLE split (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   integer NOT NULL REFERENCES connection,
    kind            text NOT NULL,
    parent_feed_id  bigint NOT NULL,
    messages        integer NOT NULL,
    reason          text NOT NULL
);
CREATE INDEX split_by_lane ON split (connection_id, kind, id);

-- Events committed with the change that they tell of, published after. One row for all outcomes of a transaction.
CREATE TABLE outbox (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL,
    refs           bigint[],
    payload        jsonb,
    sealed         bytea,                      -- sealed: personal data that belongs into the payload
    created_at     timestamptz NOT NULL
);

-- Runs: imports, order pulls and re-syncs, by hand, by schedule or by message; each goes on step by step from its cursor.
CREATE TABLE run (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id     integer NOT NULL REFERENCES connection,
    kind              text NOT NULL CHECK (kind IN ('import-listings', 'get-orders', 'sync-listings', 'sync-orders')),
    trigger           text NOT NULL CHECK (trigger IN ('manual', 'schedule', 'message')),
    state             text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    arguments         jsonb NOT NULL DEFAULT '{}', -- what was asked for beyond the kind
    scheduled_for     timestamptz,             -- the schedule's tick; NULL: not by schedule
    requested_at      timestamptz NOT NULL,
    started_at        timestamptz,
    finished_at       timestamptz,
    due_at            timestamptz,             -- when the next step may be taken; NULL: ended
    claimed_until     timestamptz,
    dispatched_until  timestamptz,
    claims            integer NOT NULL DEFAULT 0, -- how often it was taken up: who holds an older number was overtaken
    attempts          integer NOT NULL DEFAULT 0, -- failed steps in a row, the one under way counted
    cursor            jsonb NOT NULL DEFAULT '{}', -- where the next step begins
    summary           jsonb NOT NULL DEFAULT '{}', -- its shape is the kind's
    fault             text,                    -- why it failed; while it runs, why its last step did
    CHECK ((trigger = 'schedule') = (scheduled_for IS NOT NULL)),
    CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL)),
    CHECK ((finished_at IS NULL) = (due_at IS NOT NULL)),
    UNIQUE (connection_id, kind, scheduled_for)  -- one run for a tick, whoever conducts
);
CREATE UNIQUE INDEX run_under_way ON run (connection_id, kind, coalesce(arguments ->> 'order', '')) WHERE finished_at IS NULL;
CREATE INDEX run_due ON run (due_at) WHERE due_at IS NOT NULL;

-- The messages that a re-sync waits for and sums up; forgotten when the next run of the connection begins.
CREATE TABLE run_message (
    run_id      bigint NOT NULL REFERENCES run ON DELETE CASCADE,
    message_id  bigint NOT NULL,
    key         text COLLATE "C",              -- of key_state, while the message has not ended
    PRIMARY KEY (run_id, message_id)
);

-- Messages that were refused: a re-sync looks at them again, and they are few among all.
CREATE INDEX outcome_refused ON outcome (connection_id, message_id) WHERE outcome IN ('rejected', 'invalid');

-- The next tick of each schedule. A tick that could not become a run stays until it can: it is made up once.
CREATE TABLE schedule (
    connection_id  integer NOT NULL REFERENCES connection,
    kind           text NOT NULL,
    revision       integer NOT NULL,           -- of the connection's settings, when this was read from them
    every          text,                       -- NULL: no schedule
    timezone       text NOT NULL,
    tick           timestamptz,                -- what the schedule says; NULL with due_at: it could not be told, and is asked for then
    due_at         timestamptz,                -- the tick, moved a little by the connection's own share
    PRIMARY KEY (connection_id, kind),
    CHECK ((every IS NULL) = (due_at IS NULL) AND (tick IS NULL OR due_at IS NOT NULL))
);
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;

-- What a shipment message told beside its facets: how its carrier was decided, and under which settings.
CREATE TABLE shipment (
    message_id       bigint NOT NULL PRIMARY KEY,
    connection_id    integer NOT NULL,
    amazon_order_id  text COLLATE "C" NOT NULL,
    parcel           text COLLATE "C" NOT NULL, -- its key: fulfillment request number and tracking number
    revision         integer NOT NULL,         -- of the connection's settings
    decision         json NOT NULL,            -- worker/core/carriers.py: Decision; json, not jsonb: it is read whole, if ever
    overridden       boolean NOT NULL          -- the tracking number decided against the mapping
) PARTITION BY RANGE (message_id);
CREATE INDEX shipment_by_order ON shipment (connection_id, amazon_order_id, message_id);

-- Orders as Amazon told of them.
CREATE TABLE amazon_order (
    connection_id    integer NOT NULL REFERENCES connection,
    amazon_order_id  text COLLATE "C" NOT NULL,
    status           text NOT NULL,
    purchased_at     timestamptz,
    updated_at       timestamptz NOT NULL,     -- by Amazon: the order's version
    closed_at        timestamptz,              -- when it was shipped whole, or cancelled
    total            numeric,                  -- with the digits that Amazon gave it
    currency         text,
    reference_number text COLLATE "C",         -- what the template made of it
    mapped           jsonb NOT NULL DEFAULT '{}', -- what the template made: target -> value, without personal data
    personal         bytea,                    -- sealed: the personal data that the template made
    erased_at        timestamptz,              -- when the personal data was erased, or came too late to be kept
    unmapped         jsonb NOT NULL DEFAULT '[]', -- worker/core/orders.py: Unmapped
    changes          integer NOT NULL DEFAULT 1, -- versions and corrections that were taken over; an event each
    imported_at      timestamptz NOT NULL DEFAULT now(),
    changed_at       timestamptz NOT NULL DEFAULT now(),
    revisited_at     timestamptz,              -- when it was last asked for by its id, while it was pending
    PRIMARY KEY (connection_id, amazon_order_id),
    UNIQUE (connection_id, reference_number),
    CHECK (personal IS NULL OR erased_at IS NULL)
);
CREATE INDEX amazon_order_to_erase ON amazon_order (closed_at) WHERE personal IS NOT NULL AND closed_at IS NOT NULL;
CREATE INDEX amazon_order_unheard ON amazon_order (updated_at) WHERE personal IS NOT NULL;
CREATE INDEX amazon_order_pending ON amazon_order (connection_id) WHERE status IN ('PENDING', 'PENDING_AVAILABILITY');
CREATE INDEX amazon_order_by_time ON amazon_order (connection_id, updated_at);

CREATE TABLE amazon_order_item (
    connection_id         integer NOT NULL,
    amazon_order_id       text COLLATE "C" NOT NULL,
    amazon_order_item_id  text COLLATE "C" NOT NULL,
    sku                   text COLLATE "C",    -- the upstream's, without the connection's prefix; NULL: Amazon tells none
    quantity              integer NOT NULL,    -- ordered
    PRIMARY KEY (connection_id, amazon_order_id, amazon_order_item_id),
    FOREIGN KEY (connection_id, amazon_order_id) REFERENCES amazon_order ON DELETE CASCADE
);

-- Times whose updates of orders have been asked for and read to the end: one row, or one more for every gap.
CREATE TABLE order_window (
    connection_id  integer NOT NULL REFERENCES connection,
    since          timestamptz NOT NULL,
    until          timestamptz NOT NULL,       -- by Amazon's clock
    PRIMARY KEY (connection_id, since),
    CHECK (since <= until)
);

-- Listings that Amazon reported for a connection's seller.
CREATE TABLE imported_listing (
    connection_id  integer NOT NULL REFERENCES connection,
    sku            text COLLATE "C" NOT NULL,  -- the upstream's, without the connection's prefix
    title          text,                       -- NULL: none is saved, or none was reported
    title_damaged  boolean NOT NULL DEFAULT false, -- an encoding has put other characters for some of it
    first_seen_at  timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    vanished_at    timestamptz,                -- not in the newest report any more
    PRIMARY KEY (connection_id, sku)
);
-- Finds SKUs that differ only by case or spaces: worker/store/imported_listings.py asks with the same expression.
CREATE INDEX imported_listing_folded ON imported_listing (connection_id, lower(translate(sku, E' \u00a0\u3000', '')));

-- Lines of an imported report that could not be read, for a person to look at.
CREATE TABLE broken_line (
    run_id  bigint NOT NULL REFERENCES run ON DELETE CASCADE,
    line    integer NOT NULL,
    flaw    text NOT NULL,                     -- worker/core/listings_report.py: Flaw
    text    text NOT NULL,                     -- its beginning
    PRIMARY KEY (run_id, line)
);
