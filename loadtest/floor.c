/* The floor: what the same check-in costs in bare C, with nothing of Pentrap's rules or records in it.
 *
 *     cc -O2 -o floor floor.c && ./floor PORT [ANSWER_FILE [more]]
 *
 * One thread, level-triggered epoll: accept4 until EAGAIN (at most 64), recv at once, send the fixed answer,
 * shutdown(SHUT_WR). It closes as safely as Pentrap: close() with unread bytes would send RST and destroy the answer, so
 * each connection waits in a ring for 20 ms, as Pentrap's do; then what arrived is discarded in the kernel (recv with
 * MSG_TRUNC, at most 64 KiB) and it is closed once the peer has closed, or after a second.
 * `more`: the answer waits for its FIN (MSG_MORE), one segment instead of two, which is what Pentrap does; without it, the
 * plain send and shutdown that the floor of the design was measured with.
 * SIGTERM: prints how many were answered, and its own CPU time in microseconds, then ends.
 * Limits: IPv4 loopback only, 65536 connections in the ring; a connection whose first segment is not there at accept (it is,
 * with TCP_DEFER_ACCEPT) is answered all the same.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, RING = 65536, DRAIN_MS = 20, GIVE_UP_MS = 1000, DRAIN_MAX = 64 * 1024 };

struct leaving { int fd; int64_t since_ms; };
static struct leaving ring[RING];
static unsigned first, last; /* ring[first % RING] … ring[last % RING - 1] are open */
static volatile sig_atomic_t stopping;
static unsigned long long answered;
static char sink[DRAIN_MAX];

static void stop(int number) { (void)number; stopping = 1; }

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True when the connection may be closed: the peer has closed, or failed, or sent too much. */
static int drained(int fd) {
    size_t total = 0;
    for (;;) {
        ssize_t n = recv(fd, sink, DRAIN_MAX, MSG_TRUNC | MSG_DONTWAIT);
        if (n == 0) return 1;
        if (n < 0) return errno != EAGAIN && errno != EINTR;
        total += (size_t)n;
        if (total >= DRAIN_MAX) return 1;
    }
}

static void close_ring(int64_t now) {
    unsigned waiting = last - first;
    while (waiting-- && now - ring[first % RING].since_ms >= DRAIN_MS) {
        struct leaving one = ring[first++ % RING];
        if (drained(one.fd) || now - one.since_ms >= GIVE_UP_MS) close(one.fd);
        else ring[last++ % RING] = one; /* a slow one goes to the back, with its own time */
    }
}

int main(int count, char **words) {
    static char answer[65536];
    size_t size;
    if (count < 2) { fprintf(stderr, "usage: floor PORT [ANSWER_FILE [more]]\n"); return 2; }
    if (count > 2) {
        FILE *file = fopen(words[2], "rb");
        if (!file) { perror(words[2]); return 2; }
        size = fread(answer, 1, sizeof answer, file);
        fclose(file);
    } else {
        strcpy(answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        size = strlen(answer);
    }
    int flags = MSG_NOSIGNAL | (count > 3 && !strcmp(words[3], "more") ? MSG_MORE : 0);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    signal(SIGPIPE, SIG_IGN);
    int on = 1, seconds = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) { perror("bind"); return 2; }
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    fprintf(stderr, "ready\n");
    static char head[8192];
    while (!stopping) {
        int ready = epoll_wait(poll, &event, 1, first == last ? 200 : DRAIN_MS);
        for (int i = 0; ready > 0 && i < BATCH && last - first < RING; i++) {
            struct sockaddr_in from;
            socklen_t length = sizeof from;
            int fd = accept4(listener, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) break;
            (void)!recv(fd, head, sizeof head, 0);
            (void)!send(fd, answer, size, flags);
            shutdown(fd, SHUT_WR);
            ring[last++ % RING] = (struct leaving){fd, now_ms()};
            answered++;
        }
        close_ring(now_ms());
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"answered\": %llu, \"cpu_us\": %lld}\n", answered,
           (long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec);
    return 0;
}
