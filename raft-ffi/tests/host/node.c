/* The node layer: nodes of one process that talk over an array, with and without stores. */
#include "check.h"

#define NODES_MAX 4

typedef struct {
  rft_node_t *node;
  rft_store_t *store;
  state_t state;
  uint64_t read_done;    /* the request of the last read that was answered */
  uint64_t leader;
  int32_t role;
  unsigned restored;     /* how many snapshots came from a leader */
  unsigned changes;      /* how many membership changes were applied */
  char context[16];      /* the context of the last one */
} member_t;

typedef struct {
  uint64_t to;
  uint8_t *data;
  size_t len;
} mail_t;

typedef struct {
  member_t members[NODES_MAX + 1]; /* by id */
  mail_t *mail;
  size_t mail_len, mail_cap;
} cluster_t;

static void post(cluster_t *cluster, const rft_message_t *message)
{
  if (cluster->mail_len == cluster->mail_cap) {
    cluster->mail_cap = cluster->mail_cap * 2 + 16;
    cluster->mail = realloc(cluster->mail, cluster->mail_cap * sizeof *cluster->mail);
    CHECK(cluster->mail != NULL);
  }
  mail_t mail = {message->to, malloc(message->len), message->len};
  CHECK(mail.data != NULL);
  memcpy(mail.data, message->data, message->len);
  cluster->mail[cluster->mail_len++] = mail;
}

/* Does what one ready says. */
static void turn(cluster_t *cluster, member_t *self)
{
  rft_ready_t ready;
  OK(rft_node_ready(self->node, &ready, ERR));
  CHECK(!rft_node_has_ready(self->node));
  GIVES(RFT_E_MISUSE, rft_node_ready(self->node, &ready, ERR));
  for (size_t at = 0; at < ready.messages_len; at++) {
    post(cluster, &ready.messages[at]);
    if (ready.messages[at].type == 7) { /* MsgSnap */
      OK(rft_node_report_snapshot(self->node, ready.messages[at].to, 1, ERR));
    }
  }
  if (self->store != NULL) {
    if (ready.entries_len > 0) {
      GIVES(RFT_E_MISUSE, rft_node_advance(self->node, ERR)); /* not saved yet */
    }
    OK(rft_store_save(self->store, self->node, ERR));
    OK(rft_store_save(self->store, self->node, ERR)); /* once more does nothing */
  }
  if (ready.has_snapshot) {
    self->restored++;
    state_restore(&self->state, ready.snapshot.data, ready.snapshot.len);
    CHECK(self->state.index == ready.snapshot.index);
  }
  for (size_t at = 1; at < ready.entries_len; at++) {
    CHECK(ready.entries[at].index == ready.entries[at - 1].index + 1);
  }
  for (size_t at = 0; at < ready.committed_len; at++) {
    const rft_entry_t *entry = &ready.committed[at];
    CHECK(entry->request == 0 && entry->reserved == 0 && entry->term > 0);
    if (entry->type == RFT_ENTRY_CONF_CHANGE) {
      self->changes++;
      CHECK(entry->len < sizeof self->context);
      memset(self->context, 0, sizeof self->context);
      if (entry->len > 0) {
        memcpy(self->context, entry->data, entry->len);
      }
    }
  }
  state_apply(&self->state, ready.committed, ready.committed_len);
  for (size_t at = 0; at < ready.reads_len; at++) {
    CHECK(ready.reads[at].index <= self->state.index);
    self->read_done = ready.reads[at].request;
  }
  self->leader = ready.leader;
  self->role = ready.role;
  OK(rft_node_advance(self->node, ERR));
  GIVES(RFT_E_MISUSE, rft_node_advance(self->node, ERR));
}

/* Lets everybody talk until nobody has anything to say. */
static void pump(cluster_t *cluster)
{
  int busy = 1;
  while (busy) {
    busy = 0;
    for (size_t id = 1; id <= NODES_MAX; id++) {
      while (cluster->members[id].node != NULL && rft_node_has_ready(cluster->members[id].node)) {
        turn(cluster, &cluster->members[id]);
        busy = 1;
      }
    }
    size_t sent = cluster->mail_len;
    for (size_t at = 0; at < sent; at++) {
      mail_t mail = cluster->mail[at];
      member_t *to = mail.to <= NODES_MAX ? &cluster->members[mail.to] : NULL;
      if (to != NULL && to->node != NULL) {
        rft_status_t status = rft_node_step(to->node, mail.data, mail.len, NULL);
        CHECK(status == RFT_OK || status == RFT_E_UNKNOWN_PEER); /* from one that was removed */
      }
      free(mail.data);
    }
    cluster->mail_len -= sent;
    if (sent > 0) {
      memmove(cluster->mail, cluster->mail + sent, cluster->mail_len * sizeof *cluster->mail);
    }
  }
}

static void tick_all(cluster_t *cluster)
{
  for (size_t id = 1; id <= NODES_MAX; id++) {
    if (cluster->members[id].node != NULL) {
      OK(rft_node_tick(cluster->members[id].node, ERR));
    }
  }
  pump(cluster);
}

static void add(cluster_t *cluster, uint64_t id, uint64_t voters)
{
  rft_config_t *config = config_of(id, voters);
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_TRAILING, 0, ERR));
  OK(rft_node_create(config, NULL, &cluster->members[id].node, ERR));
  rft_config_free(config);
}

static void change(cluster_t *cluster, uint64_t leader, uint64_t id, int32_t type, const char *context)
{
  rft_change_t step = {id, type, 0};
  OK(rft_node_propose_change(cluster->members[leader].node, &step, 1, RFT_TRANSITION_AUTO,
                             (const uint8_t *)context, strlen(context), ERR));
  pump(cluster);
  CHECK(strcmp(cluster->members[leader].context, context) == 0);
}

static void propose(cluster_t *cluster, uint64_t id, unsigned from, unsigned count)
{
  char texts[64][16];
  rft_bytes_t payloads[64];
  CHECK(count <= 64);
  for (unsigned at = 0; at < count; at++) {
    int len = snprintf(texts[at], sizeof texts[at], "entry %u", from + at);
    payloads[at].data = (const uint8_t *)texts[at];
    payloads[at].len = (size_t)len;
  }
  uint64_t first = 99;
  OK(rft_node_propose(cluster->members[id].node, payloads, count, &first, ERR));
  CHECK((first > 0) == (cluster->members[id].role == RFT_ROLE_LEADER));
  memset(texts, 0, sizeof texts); /* borrowed for the call: nobody looks at it any more */
  pump(cluster);
}

static void all_equal(cluster_t *cluster, uint64_t count)
{
  for (int ticks = 0; ticks < 4; ticks++) {
    tick_all(cluster);
  }
  state_t *first = &cluster->members[1].state;
  CHECK(first->count == count);
  for (size_t id = 2; id <= NODES_MAX; id++) {
    if (cluster->members[id].node != NULL) {
      CHECK(cluster->members[id].state.hash == first->hash);
      CHECK(cluster->members[id].state.index == first->index);
    }
  }
}

static void end(cluster_t *cluster)
{
  for (size_t id = 1; id <= NODES_MAX; id++) {
    rft_node_free(cluster->members[id].node);
    rft_store_free(cluster->members[id].store);
  }
  for (size_t at = 0; at < cluster->mail_len; at++) {
    free(cluster->mail[at].data);
  }
  free(cluster->mail);
}

static void newcomer_gets_a_snapshot(cluster_t *cluster)
{
  uint8_t saved[STATE_BYTES];
  member_t *leader = &cluster->members[2];
  change(cluster, 2, 4, RFT_CHANGE_ADD_LEARNER, "host-d:4");
  CHECK(leader->changes == 1);
  state_save(&leader->state, saved);
  GIVES(RFT_E_UNAVAILABLE, rft_node_snapshot(leader->node, NULL, leader->state.index + 1, saved, STATE_BYTES, ERR));
  OK(rft_node_snapshot(leader->node, NULL, leader->state.index, saved, STATE_BYTES, ERR));
  GIVES(RFT_E_SNAPSHOT_OLD, rft_node_snapshot(leader->node, NULL, leader->state.index, saved, STATE_BYTES, ERR));
  add(cluster, 4, 0);
  for (int ticks = 0; ticks < 30 && cluster->members[4].restored == 0; ticks++) {
    tick_all(cluster);
  }
  CHECK(cluster->members[4].restored == 1);
  rft_member_t members[4];
  size_t n = 0;
  OK(rft_node_members(leader->node, members, 2, &n, ERR));
  CHECK(n == 4 && members[0].id == 1 && members[1].id == 2 && members[0].flags == RFT_MEMBER_VOTER);
  OK(rft_node_members(leader->node, NULL, 0, &n, ERR));
  OK(rft_node_members(leader->node, members, 4, &n, ERR));
  CHECK(members[3].id == 4 && members[3].flags == RFT_MEMBER_LEARNER);
  CHECK(members[3].progress == RFT_PROGRESS_REPLICATE && members[3].recent_active);
  change(cluster, 2, 4, RFT_CHANGE_ADD_VOTER, "");
  OK(rft_node_members(leader->node, members, 4, &n, ERR));
  CHECK(members[3].flags == RFT_MEMBER_VOTER);
}

void test_node(void)
{
  cluster_t cluster = {0};
  for (uint64_t id = 1; id <= 3; id++) {
    add(&cluster, id, 3);
  }
  rft_bytes_t one = {(const uint8_t *)"x", 1};
  uint64_t untouched = 77;
  GIVES(RFT_E_NOT_LEADER, rft_node_propose(cluster.members[1].node, &one, 1, &untouched, ERR));
  CHECK(untouched == 77);
  OK(rft_node_campaign(cluster.members[1].node, ERR));
  pump(&cluster);
  CHECK(cluster.members[1].role == RFT_ROLE_LEADER && cluster.members[3].leader == 1);

  for (unsigned round = 0; round < 10; round++) {
    propose(&cluster, 1, round * 20, 10);
    propose(&cluster, 2, round * 20 + 10, 10); /* sent on by a follower */
  }
  all_equal(&cluster, 200);

  OK(rft_node_read_index(cluster.members[3].node, 4711, ERR));
  pump(&cluster);
  CHECK(cluster.members[3].read_done == 4711);

  OK(rft_node_transfer_leader(cluster.members[1].node, 2, ERR));
  pump(&cluster);
  CHECK(cluster.members[2].role == RFT_ROLE_LEADER);
  propose(&cluster, 2, 200, 1);
  newcomer_gets_a_snapshot(&cluster);
  propose(&cluster, 4, 201, 9);
  all_equal(&cluster, 210);

  /* Node 3 leaves; the others go on, and elect by time alone when their leader falls silent. */
  change(&cluster, 2, 3, RFT_CHANGE_REMOVE, "bye");
  rft_node_free(cluster.members[3].node);
  cluster.members[3].node = NULL;
  OK(rft_node_report_unreachable(cluster.members[2].node, 3, ERR));
  rft_node_free(cluster.members[2].node);
  cluster.members[2].node = NULL;
  unsigned ticks = 0;
  while (cluster.members[1].role != RFT_ROLE_LEADER && cluster.members[4].role != RFT_ROLE_LEADER) {
    CHECK(ticks++ < 200);
    tick_all(&cluster);
  }
  uint64_t leader = cluster.members[1].role == RFT_ROLE_LEADER ? 1 : 4;
  propose(&cluster, leader, 210, 5);
  all_equal(&cluster, 215);
  rft_node_status_t status;
  OK(rft_node_status(cluster.members[leader].node, &status, ERR));
  CHECK(status.id == leader && status.leader == leader && status.role == RFT_ROLE_LEADER);
  CHECK(status.commit == status.applied && status.applied == status.last_index && status.failure == RFT_OK);
  end(&cluster);
}

static void open_store(cluster_t *cluster, uint64_t id, uint64_t voters, uint64_t snapshot_index)
{
  char name[16];
  snprintf(name, sizeof name, "node-%u", (unsigned)id);
  member_t *self = &cluster->members[id];
  rft_config_t *config = config_of(id, voters);
  const char *dir = below(name);
  rft_snapshot_t snapshot;
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_TRAILING, 0, ERR));
  OK(rft_store_open(config, dir, strlen(dir), &self->store, ERR));
  OK(rft_store_snapshot(self->store, &snapshot, ERR));
  CHECK(snapshot.index == snapshot_index);
  memset(&self->state, 0, sizeof self->state);
  if (snapshot.len > 0) {
    state_restore(&self->state, snapshot.data, snapshot.len);
    CHECK(self->state.index == snapshot.index);
  }
  OK(rft_node_create(config, self->store, &self->node, ERR));
  rft_node_t *second = NULL;
  GIVES(RFT_E_MISUSE, rft_node_create(config, self->store, &second, ERR));
  CHECK(second == NULL);
  rft_config_free(config);
}

static void close_store(cluster_t *cluster, uint64_t id)
{
  rft_node_free(cluster->members[id].node);
  rft_store_free(cluster->members[id].store);
  memset(&cluster->members[id], 0, sizeof cluster->members[id]);
}

static void lead(cluster_t *cluster, uint64_t id)
{
  OK(rft_node_campaign(cluster->members[id].node, ERR));
  pump(cluster);
  CHECK(cluster->members[id].role == RFT_ROLE_LEADER);
}

static uint64_t snapshot_now(member_t *self)
{
  uint8_t saved[STATE_BYTES];
  state_save(&self->state, saved);
  OK(rft_node_snapshot(self->node, self->store, self->state.index, saved, STATE_BYTES, ERR));
  return self->state.index;
}

/* A leader that was restarted sends the snapshot from its disk; the newcomer has it on its own disk after that. */
static void a_snapshot_survives_on_both_sides(cluster_t *cluster, member_t *leader)
{
  change(cluster, 1, 2, RFT_CHANGE_ADD_LEARNER, "two");
  uint64_t index = snapshot_now(leader);
  close_store(cluster, 1);
  open_store(cluster, 1, 1, index);
  lead(cluster, 1);
  member_t *newcomer = &cluster->members[2];
  open_store(cluster, 2, 0, 0);
  for (int ticks = 0; ticks < 30 && newcomer->state.index < leader->state.index; ticks++) {
    tick_all(cluster);
  }
  CHECK(newcomer->restored == 1 && newcomer->state.hash == leader->state.hash);
  close_store(cluster, 2);
  open_store(cluster, 2, 0, index);
  CHECK(newcomer->state.count == leader->state.count);
  propose(cluster, 1, 64, 1);
  tick_all(cluster);
  tick_all(cluster);
  CHECK(newcomer->state.hash == leader->state.hash && newcomer->state.index == leader->state.index);
}

void test_node_with_store(void)
{
  cluster_t cluster = {0};
  open_store(&cluster, 1, 1, 1); /* a new directory starts from the snapshot that names the voters */
  lead(&cluster, 1);
  propose(&cluster, 1, 0, 50);
  member_t *self = &cluster.members[1];
  state_t before = self->state;
  CHECK(before.count == 50);
  close_store(&cluster, 1);

  open_store(&cluster, 1, 1, 1);
  lead(&cluster, 1);
  CHECK(self->state.count == 50 && self->state.hash == before.hash);
  uint8_t saved[STATE_BYTES];
  state_save(&self->state, saved);
  uint64_t index = self->state.index;
  propose(&cluster, 1, 50, 14); /* the snapshot is of a while ago */
  OK(rft_node_snapshot(self->node, self->store, index, saved, STATE_BYTES, ERR));
  before = self->state;
  close_store(&cluster, 1);

  open_store(&cluster, 1, 1, index);
  lead(&cluster, 1);
  CHECK(self->state.count == 64 && self->state.hash == before.hash);
  rft_node_status_t status;
  OK(rft_node_status(self->node, &status, ERR));
  CHECK(status.snapshot_index == index && status.term >= 3);

  /* A store that belongs to another node is found out. */
  rft_config_t *config = config_of(3, 0);
  rft_node_t *other = NULL;
  GIVES(RFT_E_INVALID_ARG, rft_node_create(config, self->store, &other, ERR));
  OK(rft_node_create(config, NULL, &other, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_store_save(self->store, other, ERR));
  rft_node_free(other);
  rft_config_free(config);
  GIVES(RFT_E_MISUSE, rft_store_save(self->store, self->node, ERR)); /* nothing is outstanding */
  a_snapshot_survives_on_both_sides(&cluster, self);
  end(&cluster);
}
