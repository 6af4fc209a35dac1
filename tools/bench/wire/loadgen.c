// SPDX-License-Identifier: Apache-2.0
/*
 * Makes load on a daemon that speaks libvirt's RPC, and says how long answers took.
 *
 *   loadgen calls  SOCKET GREETING CALLS CONNECTIONS IDLE COUNT
 *   loadgen fanout SOCKET GREETING CALLS CONNECTIONS IDLE COUNT
 *   loadgen echo   SOCKET
 *   loadgen pump   SOCKET UPSTREAM
 *
 * GREETING and CALLS are files of whole messages, one after another; serials are filled in here.
 * Each connection sends the greeting's messages, one by one, each answer awaited.
 *
 * calls:  every connection has one call under way at any time, the CALLS in turn, until COUNT are
 *         answered. The IDLE ones are opened, greeted, and left alone.
 * fanout: COUNT times, one further connection makes the next of the CALLS; the time goes from there
 *         to the first event on the last of CONNECTIONS.
 * echo:   the floor: a server that turns every call into its own reply, and does nothing else.
 * pump:   the floor of a relay: bytes between each client and a connection to UPSTREAM, unread.
 *
 * The answer is one line of JSON; times are in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 28, TYPE_AT = 16, SERIAL_AT = 20, STATUS_AT = 24, REPLY = 1, EVENT = 2 };
enum { MAX_MESSAGES = 8192, BATCH = 256 };

struct messages {
    char *bytes;
    size_t count;
    size_t at[MAX_MESSAGES + 1];
};

struct peer {
    int fd;
    char *buffer;
    size_t room, used;
    uint32_t serial;
    double sent;
    int served; /* fanout: the event of this round has come */
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static uint32_t word(const char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return ntohl(value);
}

static void put_word(char *bytes, uint32_t value) {
    value = htonl(value);
    memcpy(bytes, &value, 4);
}

static struct messages *read_messages(const char *path) {
    struct messages *all = calloc(1, sizeof *all);
    FILE *file = fopen(path, "rb");
    if (!file || !all) die(path);
    fseek(file, 0, SEEK_END);
    size_t length = ftell(file);
    rewind(file);
    all->bytes = malloc(length + 1);
    if (fread(all->bytes, 1, length, file) != length) die(path);
    fclose(file);
    for (size_t at = 0; at < length && all->count < MAX_MESSAGES; at += word(all->bytes + at))
        all->at[all->count++] = at;
    all->at[all->count] = length;
    return all;
}

static void address_of(struct sockaddr_un *address, const char *path) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        fprintf(stderr, "the path of the socket is too long: %s\n", path);
        exit(1);
    }
    strcpy(address->sun_path, path);
}

static void send_message(struct peer *peer, struct messages *all, size_t number) {
    char *message = all->bytes + all->at[number];
    size_t length = all->at[number + 1] - all->at[number];
    put_word(message + SERIAL_AT, peer->serial++);
    peer->sent = now();
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(peer->fd, message + done, length - done, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) die("send");
        if (sent > 0) done += sent;
    }
}

/* Reads what is there; 0 at the end of the stream. */
static int receive(struct peer *peer) {
    if (peer->room - peer->used < 65536) {
        peer->room = peer->room ? peer->room * 2 : 131072;
        peer->buffer = realloc(peer->buffer, peer->room);
        if (!peer->buffer) die("realloc");
    }
    ssize_t got = recv(peer->fd, peer->buffer + peer->used, peer->room - peer->used, 0);
    if (got < 0) {
        if (errno == EINTR || errno == EAGAIN) return 1;
        die("recv");
    }
    peer->used += got;
    return got > 0;
}

/* Takes one whole message off the buffer: its type, or -1 where none is complete. */
static int take(struct peer *peer, int *failed) {
    if (peer->used < HEADER) return -1;
    size_t length = word(peer->buffer);
    if (peer->used < length) return -1;
    int type = word(peer->buffer + TYPE_AT);
    *failed = type == REPLY && word(peer->buffer + STATUS_AT) != 0;
    memmove(peer->buffer, peer->buffer + length, peer->used - length);
    peer->used -= length;
    return type;
}

static void await_reply(struct peer *peer) {
    int failed = 0, type;
    while ((type = take(peer, &failed)) != REPLY)
        if (type < 0 && !receive(peer)) {
            fprintf(stderr, "the daemon closed the connection\n");
            exit(1);
        }
    if (failed) {
        fprintf(stderr, "the daemon answers a greeting with an error\n");
        exit(1);
    }
}

static void greet(struct peer *peer, const char *path, struct messages *greeting) {
    struct sockaddr_un address;
    address_of(&address, path);
    memset(peer, 0, sizeof *peer);
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0) die("socket");
    if (connect(peer->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    for (size_t number = 0; number < greeting->count; number++) {
        send_message(peer, greeting, number);
        await_reply(peer);
    }
}

static int smaller(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double own_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(double *samples, size_t count, size_t failed, double elapsed, double cpu) {
    qsort(samples, count, sizeof *samples, smaller);
    printf("{\"calls\": %zu, \"failed\": %zu, \"elapsed\": %.1f, \"median\": %.2f, "
           "\"p99\": %.2f, \"max\": %.2f, \"own_cpu\": %.1f}\n",
           count, failed, elapsed, samples[count / 2], samples[count * 99 / 100],
           samples[count - 1], cpu * 1e6);
}

static struct peer *greeted(const char *path, struct messages *greeting, size_t count, int poll) {
    struct peer *peers = calloc(count ? count : 1, sizeof *peers);
    for (size_t number = 0; number < count; number++) {
        greet(&peers[number], path, greeting);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[number]};
        if (poll >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, peers[number].fd, &event)) die("epoll");
    }
    return peers;
}

static void calls(const char *path, struct messages *greeting, struct messages *all,
                  size_t connections, size_t idle, size_t count) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    double *samples = malloc(count * sizeof *samples);
    size_t sent = 0, done = 0, errors = 0;
    greeted(path, greeting, idle, -1);
    struct peer *peers = greeted(path, greeting, connections, poll);
    double cpu = own_seconds(), start = now();
    for (size_t number = 0; number < connections && sent < count; number++, sent++)
        send_message(&peers[number], all, sent % all->count);
    while (done < count) {
        struct epoll_event events[BATCH];
        int ready = epoll_wait(poll, events, BATCH, -1);
        for (int at = 0; at < ready; at++) {
            struct peer *peer = events[at].data.ptr;
            int failed = 0, type;
            if (!receive(peer)) {
                fprintf(stderr, "the daemon closed the connection\n");
                exit(1);
            }
            while ((type = take(peer, &failed)) >= 0) {
                if (type != REPLY || done == count) continue;
                samples[done++] = now() - peer->sent;
                errors += failed;
                if (sent < count) send_message(peer, all, sent++ % all->count);
            }
        }
    }
    report(samples, count, errors, now() - start, own_seconds() - cpu);
}

static void fanout(const char *path, struct messages *greeting, struct messages *all,
                   size_t connections, size_t count) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    double *samples = malloc(count * sizeof *samples);
    struct peer *peers = greeted(path, greeting, connections, poll);
    struct peer *actor = greeted(path, greeting, 1, -1);
    double cpu = own_seconds(), start = now();
    for (size_t round = 0; round < count; round++) {
        size_t told = 0;
        double last = 0;
        for (size_t number = 0; number < connections; number++) peers[number].served = 0;
        send_message(actor, all, round % all->count);
        while (told < connections) {
            struct epoll_event events[BATCH];
            int ready = epoll_wait(poll, events, BATCH, 30000);
            if (ready == 0) {
                fprintf(stderr, "no event within 30 seconds\n");
                exit(1);
            }
            for (int at = 0; at < ready; at++) {
                struct peer *peer = events[at].data.ptr;
                int failed = 0, type;
                if (!receive(peer)) exit(1);
                while ((type = take(peer, &failed)) >= 0)
                    if (type == EVENT && !peer->served) {
                        peer->served = 1;
                        told++;
                        last = now();
                    }
            }
        }
        samples[round] = last - actor->sent;
        await_reply(actor);
    }
    report(samples, count, 0, now() - start, own_seconds() - cpu);
}

static void echo(const char *path) {
    struct sockaddr_un address;
    int poll = epoll_create1(EPOLL_CLOEXEC), listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    address_of(&address, path);
    if (bind(listening, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(listening, 128)) die("listen");
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &event);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[BATCH];
        int ready = epoll_wait(poll, events, BATCH, -1);
        for (int at = 0; at < ready; at++) {
            struct peer *peer = events[at].data.ptr;
            if (!peer) {
                peer = calloc(1, sizeof *peer);
                peer->fd = accept(listening, NULL, NULL);
                event.data.ptr = peer;
                epoll_ctl(poll, EPOLL_CTL_ADD, peer->fd, &event);
                continue;
            }
            if (!receive(peer)) {
                close(peer->fd); /* the few bytes of the peer go with the process */
                continue;
            }
            size_t length;
            while (peer->used >= HEADER && peer->used >= (length = word(peer->buffer))) {
                put_word(peer->buffer + TYPE_AT, REPLY);
                if (send(peer->fd, peer->buffer, length, MSG_NOSIGNAL) < 0) break;
                memmove(peer->buffer, peer->buffer + length, peer->used - length);
                peer->used -= length;
            }
        }
    }
}

struct end {
    int fd;
    struct end *other;
};

static void link_ends(int poll, int client, const char *upstream) {
    struct sockaddr_un address;
    struct end *ends = calloc(2, sizeof *ends);
    address_of(&address, upstream);
    ends[0].fd = client;
    ends[1].fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(ends[1].fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    for (int at = 0; at < 2; at++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &ends[at]};
        ends[at].other = &ends[1 - at];
        epoll_ctl(poll, EPOLL_CTL_ADD, ends[at].fd, &event);
    }
}

static void pump(const char *path, const char *upstream) {
    static char bytes[1 << 20];
    struct sockaddr_un address;
    int poll = epoll_create1(EPOLL_CLOEXEC), listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    address_of(&address, path);
    if (bind(listening, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(listening, 128)) die("listen");
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &event);
    puts("ready");
    fflush(stdout);
    while (epoll_wait(poll, &event, 1, -1) == 1) {
        struct end *end = event.data.ptr;
        if (!end) {
            link_ends(poll, accept(listening, NULL, NULL), upstream);
            continue;
        }
        ssize_t got = recv(end->fd, bytes, sizeof bytes, 0);
        if (got > 0 && send(end->other->fd, bytes, got, MSG_NOSIGNAL) == got) continue;
        close(end->fd);
        close(end->other->fd); /* the few bytes of both ends go with the process */
    }
}

int main(int count, char **words) {
    if (count == 4 && !strcmp(words[1], "pump")) {
        pump(words[2], words[3]);
        return 0;
    }
    if (count == 3 && !strcmp(words[1], "echo")) {
        echo(words[2]);
        return 0;
    }
    if (count != 8) {
        fprintf(stderr, "loadgen calls|fanout SOCKET GREETING CALLS CONNECTIONS IDLE COUNT\n");
        return 2;
    }
    struct messages *greeting = read_messages(words[3]), *all = read_messages(words[4]);
    size_t connections = atol(words[5]), idle = atol(words[6]), times = atol(words[7]);
    if (!strcmp(words[1], "calls"))
        calls(words[2], greeting, all, connections, idle, times);
    else
        fanout(words[2], greeting, all, connections, times);
    return 0;
}
