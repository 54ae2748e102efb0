/* An open-loop HTTP client for the bench: check-ins start at times fixed in advance, answers or not.
 *
 *     cc -O2 -o openloop openloop.c && ./openloop PORT RATE SECONDS HOSTS_FILE
 *
 * One thread, epoll; 127.0.0.1 only; sources 127.80.0.1 … 127.80.15.254 in turn. Latency is counted from the planned start
 * (no coordinated omission) to the server's FIN. Prints one JSON object.
 * Limits: 16384 open at once (more starts count as `shed`), a connection is given up after 10 s, RATE * SECONDS at most
 * 5,000,000.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
enum { FDS = 20000, OPEN_MAX_ = 16384, HOSTS = 4096, HEAD = 512, STARTS = 32 };
static const int64_t GIVE_UP_NS = 10000000000LL;

static int64_t planned[FDS]; /* 0: not open */
static char got[FDS];        /* answer bytes were seen */
static char heads[HOSTS][HEAD];
static int lengths[HOSTS], hosts;
static uint32_t *latency_us;
static long done, failed, shed, started, late, open_now;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void end(int fd, int good, int64_t now) {
    if (good) latency_us[done++] = (uint32_t)((now - planned[fd]) / 1000);
    else failed++;
    planned[fd] = 0;
    open_now--;
    close(fd);
}

static void start(int poll, long number, int64_t due, struct sockaddr_in *to) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || fd >= FDS) { if (fd >= 0) close(fd); shed++; return; }
    unsigned source = (unsigned)(number % (16 * 254));
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(127u << 24 | 80u << 16 | (source / 254) << 8 | (source % 254 + 1));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    planned[fd] = due;
    got[fd] = 0;
    open_now++;
    if (bind(fd, (struct sockaddr *)&from, sizeof from)
        || (connect(fd, (struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS)) { end(fd, 0, 0); return; }
    int which = (int)(number % hosts);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (send(fd, heads[which], (size_t)lengths[which], MSG_NOSIGNAL) != lengths[which]) {
        event.events = EPOLLOUT | EPOLLIN; /* the backlog was full: sent once connected */
        if (errno != EAGAIN) { end(fd, 0, 0); return; }
    }
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(int poll, struct epoll_event *event) {
    static char answer[65536];
    int fd = event->data.fd;
    if (!planned[fd]) return;
    if (event->events & EPOLLOUT) {
        if (send(fd, heads[fd % hosts], (size_t)lengths[fd % hosts], MSG_NOSIGNAL) < 0) { end(fd, 0, 0); return; }
        event->events = EPOLLIN;
        epoll_ctl(poll, EPOLL_CTL_MOD, fd, event);
        return;
    }
    for (;;) {
        ssize_t n = recv(fd, answer, sizeof answer, 0);
        if (n > 0) got[fd] = 1;
        else if (n == 0) { end(fd, got[fd], now_ns()); return; }
        else { if (errno != EAGAIN) end(fd, 0, 0); return; }
    }
}

static int read_hosts(const char *path) {
    char line[256];
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (hosts < HOSTS && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        lengths[hosts] = snprintf(heads[hosts], HEAD, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", line);
        if (lengths[hosts] < HEAD) hosts++;
    }
    fclose(file);
    return hosts;
}

int main(int count, char **words) {
    if (count < 5 || !read_hosts(words[4])) { fprintf(stderr, "usage: openloop PORT RATE SECONDS HOSTS_FILE\n"); return 2; }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    double rate = atof(words[2]);
    long total = (long)(rate * atof(words[3]));
    if (rate <= 0 || total < 1 || total > 5000000) { fprintf(stderr, "RATE * SECONDS: 1 to 5000000\n"); return 2; }
    struct rlimit files = {FDS, FDS};
    setrlimit(RLIMIT_NOFILE, &files);
    latency_us = calloc((size_t)total, sizeof *latency_us);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    static struct epoll_event events[256];
    int64_t begin = now_ns(), swept = begin;
    while (started < total || open_now) {
        int64_t now = now_ns(), due = 0;
        for (int i = 0; i < STARTS && started < total; i++) {
            due = begin + (int64_t)((double)started / rate * 1e9);
            if (due > now) break;
            if (now - due > 1000000) late++; /* more than a millisecond behind the plan */
            if (open_now >= OPEN_MAX_) shed++;
            else start(poll, started, due, &to);
            started++;
        }
        int wait = started >= total ? 100 : 0;
        if (started < total) {
            due = begin + (int64_t)((double)started / rate * 1e9);
            if (due - now_ns() > 1500000) wait = 1;
        }
        int ready = epoll_wait(poll, events, 256, wait);
        for (int i = 0; i < ready; i++) serve(poll, &events[i]);
        now = now_ns();
        if (now - swept > 1000000000) {
            swept = now;
            for (int fd = 0; fd < FDS; fd++)
                if (planned[fd] && now - planned[fd] > GIVE_UP_NS) end(fd, 0, 0);
        }
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    qsort(latency_us, (size_t)done, sizeof *latency_us, by_size);
#define Q(part) (done ? latency_us[(long)((double)(done - 1) * (part))] : 0)
    printf("{\"planned\": %ld, \"answered\": %ld, \"failed\": %ld, \"shed\": %ld, \"late_over_1_ms\": %ld, "
           "\"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %u}\n",
           total, done, failed, shed, late, seconds, Q(0.5), Q(0.99), Q(0.999), Q(1.0));
    return 0;
}
