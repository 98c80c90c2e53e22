/*
 * Sends HTTP/1.1 requests over keep-alive connections and measures how long each answer takes.
 *
 *     load_generator PLAN SUBJECTS HOST PORT CONNECTIONS WARM_UP_SECONDS SECONDS REQUESTS STAGGERED PER_SECOND
 *
 * PLAN is a sequence of steps that each connection carries out in turn, again and again:
 *
 *     step NAME STATUS FLAGS HEAD_LENGTH BODY_LENGTH\n<head><body>
 *
 * STATUS is what the answer must have, any other is an error. FLAGS is "-", or letters of:
 *     n   go on to the connection's next subject before the request
 *     c   the answer's Location names the subject of the following steps
 *     v   the answer's ETag tells the subject's version
 *     i   in an open loop: send it immediately after the answer to the step before, by the same connection
 *
 * In head and body, octet 1 stands for a number that no other request has, octet 2 for the subject (a user's id, or a
 * path), octet 3 for the subject's version as the last answer told it. The head ends without its empty
 * line; Content-Length is added.
 *
 * SUBJECTS has one on each line: text, a blank, version. Connection i of n owns every n-th one from the i-th on: nobody
 * else changes it, so that its version is always known.
 *
 * If PER_SECOND is 0, the load is a closed loop: a connection sends its next request when it has the answer to the last one. So a pause of
 * the server is seen once by each connection, and not by the requests that an open loop would have sent meanwhile
 * ("coordinated omission"): read the quantiles as those of so many clients who wait.
 *
 * Else it is an open loop: the n-th request is due n / PER_SECOND seconds after the begin, whatever became of those
 * before it, and is sent by any free connection, or by the first that becomes free. How long it took counts from when
 * it was due, so that whoever had to wait for a connection has waited for the server. Requests that are due and were
 * never sent are counted as unanswered.
 *
 * When the time is up, or REQUESTS have been sent (0: no limit), no further request is sent, and the answers under way
 * are waited for: each request that was sent is counted as answered or as an error. The result is a line of JSON.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_STEPS = 64,
    MAX_STATUS = 600,
    MAX_SUBJECT = 1024,
    MAX_REQUEST = 16384,
    FIRST_BUFFER = 16384,
    EVENTS = 256,
    ANSWER_TIMEOUT_SECONDS = 30,
    SAMPLE_LENGTH = 400
};

typedef struct {
    char name[64];
    int status;
    bool next_subject;
    bool captures;
    bool tells_version;
    bool is_immediate;
    char *head;
    size_t head_length;
    char *body;
    size_t body_length;
    uint32_t *latencies; /* microseconds, of the requests within the window */
    size_t samples;
    size_t capacity;
    uint64_t as_expected;
    uint64_t other;
} Step;

typedef struct {
    char text[MAX_SUBJECT];
    char version[16];
} Subject;

typedef struct {
    int descriptor;
    int index;
    int step;
    size_t next_subject;
    Subject subject;
    Subject *owned; /* where the present subject is kept, if it is one of those that were given */
    char *buffer;
    size_t filled;
    size_t capacity;
    uint64_t sent_at;
    bool waits;
} Connection;

static Step steps[MAX_STEPS];
static int step_count;
static Subject *subjects;
static size_t subject_count;
static uint64_t statuses[MAX_STATUS];
static uint64_t broken_connections;
static uint64_t number;
static uint64_t sent;
static uint64_t answered;
static uint64_t answered_in_window;
static uint64_t octets_received;
static char first_error[SAMPLE_LENGTH + 1];
static struct addrinfo *server;
static int epoll_descriptor;
static int connection_count;
static bool staggered;
static uint64_t request_limit;
static double per_second;
static uint64_t never_sent;
static uint64_t window_begin;
static uint64_t window_end;
static uint64_t last_answer_at;

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load_generator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void *allocated(void *memory, size_t size) {
    void *grown = realloc(memory, size);
    if (grown == NULL)
        die("out of memory");
    return grown;
}

static uint64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- what to send */

static char *read_octets(FILE *file, size_t length) {
    char *octets = allocated(NULL, length + 1);
    if (fread(octets, 1, length, file) != length)
        die("the plan ends too early");
    octets[length] = 0;
    return octets;
}

static void read_plan(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    char flags[16];
    Step step = {0};
    while (fscanf(file, "step %63s %d %15s %zu %zu", step.name, &step.status, flags, &step.head_length,
                  &step.body_length) == 5) {
        if (fgetc(file) != '\n' || step_count == MAX_STEPS)
            die("the plan cannot be read");
        step.next_subject = strchr(flags, 'n') != NULL;
        step.captures = strchr(flags, 'c') != NULL;
        step.tells_version = strchr(flags, 'v') != NULL;
        step.is_immediate = strchr(flags, 'i') != NULL;
        step.head = read_octets(file, step.head_length);
        step.body = read_octets(file, step.body_length);
        steps[step_count++] = step;
    }
    if (step_count == 0 || fgetc(file) != EOF)
        die("the plan cannot be read");
    fclose(file);
}

static void read_subjects(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    size_t capacity = 0;
    Subject subject;
    while (fscanf(file, "%1023s %15s", subject.text, subject.version) == 2) {
        if (subject_count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            subjects = allocated(subjects, capacity * sizeof *subjects);
        }
        subjects[subject_count++] = subject;
    }
    fclose(file);
}

static size_t filled_in(const Connection *connection, const char *template, size_t length, char *to, size_t room) {
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char digits[24];
        const char *piece;
        switch (template[i]) {
        case 1:
            snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
            piece = digits;
            break;
        case 2:
            piece = connection->subject.text;
            break;
        case 3:
            piece = connection->subject.version;
            break;
        default:
            if (written + 1 > room)
                die("a request is too long");
            to[written++] = template[i];
            continue;
        }
        size_t piece_length = strlen(piece);
        if (written + piece_length > room)
            die("a request is too long");
        memcpy(to + written, piece, piece_length);
        written += piece_length;
    }
    return written;
}

static size_t write_request(const Connection *connection, const Step *step, char *request) {
    char body[MAX_REQUEST];
    size_t body_length = filled_in(connection, step->body, step->body_length, body, sizeof body);
    size_t length = filled_in(connection, step->head, step->head_length, request, MAX_REQUEST - 64);
    if (step->body_length)
        length += (size_t)sprintf(request + length, "Content-Length: %zu\r\n", body_length);
    if (length + 2 + body_length > MAX_REQUEST)
        die("a request is too long");
    memcpy(request + length, "\r\n", 2);
    memcpy(request + length + 2, body, body_length);
    return length + 2 + body_length;
}

/* ---- connections */

static void connect_to_server(Connection *connection) {
    int descriptor = socket(server->ai_family, SOCK_STREAM, 0);
    int on = 1;
    if (descriptor < 0 || connect(descriptor, server->ai_addr, server->ai_addrlen) != 0)
        die("cannot connect: %s", strerror(errno));
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_descriptor, EPOLL_CTL_ADD, descriptor, &interest) != 0)
        die("epoll: %s", strerror(errno));
    connection->descriptor = descriptor;
    connection->filled = 0;
}

static void go_on_to_next_subject(Connection *connection) {
    if (subject_count < (size_t)connection_count)
        die("there are fewer subjects than connections");
    if (connection->next_subject >= subject_count)
        connection->next_subject = (size_t)connection->index;
    connection->owned = &subjects[connection->next_subject];
    connection->subject = *connection->owned;
    connection->next_subject += (size_t)connection_count;
}

static bool is_below_limit(void) {
    return request_limit == 0 || sent < request_limit;
}

static bool may_send(void) {
    return is_below_limit() && microseconds() < window_end;
}

static void send_next(Connection *connection, uint64_t due_at) {
    char request[MAX_REQUEST];
    const Step *step = &steps[connection->step];
    if (step->next_subject)
        go_on_to_next_subject(connection);
    number++;
    size_t length = write_request(connection, step, request);
    sent++;
    connection->waits = true;
    connection->sent_at = due_at;
    for (size_t done = 0; done < length;) {
        ssize_t count = send(connection->descriptor, request + done, length - done, MSG_NOSIGNAL);
        if (count > 0) {
            done += (size_t)count;
        } else if (errno == EAGAIN) {
            struct pollfd writable = {.fd = connection->descriptor, .events = POLLOUT};
            poll(&writable, 1, 1000);
        } else {
            return; /* the reader will find the connection broken */
        }
    }
}

/* ---- answers */

static const char *header(const char *head, const char *end, const char *name, size_t *length) {
    size_t name_length = strlen(name);
    for (const char *line = head; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, name, name_length) == 0 && line[name_length] == ':') {
            const char *value = line + name_length + 1;
            while (*value == ' ')
                value++;
            *length = (size_t)(strstr(value, "\r\n") - value);
            return value;
        }
    }
    return NULL;
}

static void copy_text(char *to, size_t room, const char *from, size_t length) {
    if (length >= room)
        die("a header of an answer is too long");
    memcpy(to, from, length);
    to[length] = 0;
}

static void learn_version(Connection *connection, const char *head, const char *end) {
    size_t length;
    const char *tag = header(head, end, "etag", &length);
    if (tag == NULL || length < 2)
        die("an answer without ETag");
    copy_text(connection->subject.version, sizeof connection->subject.version, tag + 1, length - 2);
    if (connection->owned)
        strcpy(connection->owned->version, connection->subject.version);
}

static void capture_subject(Connection *connection, const char *head, const char *end) {
    size_t length;
    const char *location = header(head, end, "location", &length);
    if (location == NULL)
        die("an answer without Location");
    const char *last = location + length;
    while (last > location && last[-1] != '/')
        last--;
    copy_text(connection->subject.text, sizeof connection->subject.text, last, (size_t)(location + length - last));
    connection->owned = NULL;
}

static void keep_latency(Step *step, uint32_t latency) {
    if (step->samples == step->capacity) {
        step->capacity = step->capacity ? 2 * step->capacity : 4096;
        step->latencies = allocated(step->latencies, step->capacity * sizeof *step->latencies);
    }
    step->latencies[step->samples++] = latency;
}

static void keep_first_error(const char *answer, size_t length) {
    if (first_error[0])
        return;
    size_t kept = length < SAMPLE_LENGTH ? length : SAMPLE_LENGTH;
    memcpy(first_error, answer, kept);
}

static void take_answer(Connection *connection, int status, const char *head_end, size_t length) {
    uint64_t now = microseconds();
    Step *step = &steps[connection->step];
    connection->waits = false;
    last_answer_at = now;
    answered++;
    octets_received += length;
    statuses[status > 0 && status < MAX_STATUS ? status : 0]++;
    if (now >= window_begin && now < window_end)
        answered_in_window++;
    if (status != step->status) {
        step->other++;
        keep_first_error(connection->buffer, length);
        if (connection->owned == NULL)
            connection->step = step_count - 1; /* what follows may be about nobody: begin again */
    } else {
        step->as_expected++;
        if (connection->sent_at >= window_begin && connection->sent_at < window_end)
            keep_latency(step, (uint32_t)(now - connection->sent_at));
        if (step->captures)
            capture_subject(connection, connection->buffer, head_end);
        if (step->tells_version)
            learn_version(connection, connection->buffer, head_end);
    }
    connection->step = (connection->step + 1) % step_count;
}

/* The length of the answer in the buffer, or 0 as long as it is incomplete. */
static size_t answer_length(const Connection *connection, const char **head_end) {
    connection->buffer[connection->filled] = 0;
    const char *blank_line = strstr(connection->buffer, "\r\n\r\n");
    if (blank_line == NULL)
        return 0;
    *head_end = blank_line + 2;
    size_t value_length;
    const char *value = header(connection->buffer, *head_end, "content-length", &value_length);
    int status = atoi(connection->buffer + 9);
    if (value == NULL && status != 304 && status != 204)
        die("an answer without Content-Length");
    size_t length = (size_t)(blank_line + 4 - connection->buffer) + (value ? strtoul(value, NULL, 10) : 0);
    return connection->filled >= length ? length : 0;
}

static void replace(Connection *connection) {
    close(connection->descriptor);
    if (connection->waits) {
        broken_connections++;
        steps[connection->step].other++;
        connection->waits = false;
        connection->step = 0;
    }
    connect_to_server(connection);
}

/* Read what is there; true if the answer is complete. */
static bool receive(Connection *connection) {
    while (true) {
        if (connection->filled + 1 >= connection->capacity) {
            connection->capacity *= 2;
            connection->buffer = allocated(connection->buffer, connection->capacity);
        }
        ssize_t count = recv(connection->descriptor, connection->buffer + connection->filled,
                             connection->capacity - connection->filled - 1, 0);
        if (count < 0 && errno == EAGAIN)
            return false;
        if (count <= 0) {
            replace(connection);
            return true;
        }
        connection->filled += (size_t)count;
        const char *head_end;
        size_t length = answer_length(connection, &head_end);
        if (length) {
            int status = atoi(connection->buffer + 9);
            take_answer(connection, status, head_end, length);
            connection->filled = 0;
            return true;
        }
    }
}

/* ---- the run */

static int waiting_connections(const Connection *connections) {
    int count = 0;
    for (int i = 0; i < connection_count; i++)
        count += connections[i].waits;
    return count;
}

/* The connections begin one after the other, spread over the warm-up, so that they are not all at the same step. */
static bool is_due(int index, uint64_t elapsed, double warm_up) {
    return (double)elapsed >= warm_up * 1e6 * index / connection_count;
}

static void prepare(Connection *connections) {
    for (int i = 0; i < connection_count; i++) {
        Connection *connection = &connections[i];
        connection->index = i;
        connection->next_subject = (size_t)i;
        connection->step = staggered ? i % step_count : 0;
        connection->capacity = FIRST_BUFFER;
        connection->buffer = allocated(NULL, FIRST_BUFFER);
        connect_to_server(connection);
    }
}

static void run_closed_loop(Connection *connections, uint64_t begin, double warm_up) {
    int begun = 0;

    struct epoll_event events[EVENTS];
    uint64_t deadline = window_end + ANSWER_TIMEOUT_SECONDS * 1000000ull;
    while (may_send() || waiting_connections(connections) > 0) {
        if (microseconds() > deadline)
            break;
        while (begun < connection_count && may_send() && is_due(begun, microseconds() - begin, warm_up))
            send_next(&connections[begun++], microseconds());
        int count = epoll_wait(epoll_descriptor, events, EVENTS, begun < connection_count ? 1 : 100);
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (receive(connection) && connection->index < begun && may_send())
                send_next(connection, microseconds());
        }
    }
}

static uint64_t due(uint64_t begin, uint64_t index) {
    return begin + (uint64_t)((double)index * 1e6 / per_second);
}

static Connection *free_connection(Connection *connections) {
    static int last;
    for (int i = 0; i < connection_count; i++) {
        last = (last + 1) % connection_count;
        if (!connections[last].waits)
            return &connections[last];
    }
    return NULL;
}

static void wake_at(int timer, uint64_t instant) {
    struct itimerspec wanted = {0};
    wanted.it_value.tv_sec = (time_t)(instant / 1000000);
    wanted.it_value.tv_nsec = (long)(instant % 1000000) * 1000;
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &wanted, NULL) != 0)
        die("timer: %s", strerror(errno));
}

static void run_open_loop(Connection *connections, uint64_t begin) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = NULL};
    if (timer < 0 || epoll_ctl(epoll_descriptor, EPOLL_CTL_ADD, timer, &interest) != 0)
        die("timer: %s", strerror(errno));
    struct epoll_event events[EVENTS];
    uint64_t deadline = window_end + ANSWER_TIMEOUT_SECONDS * 1000000ull;
    uint64_t next = 0;
    while (microseconds() < deadline) {
        Connection *connection = NULL;
        bool is_over = false;
        while (!(is_over = due(begin, next) >= window_end || !is_below_limit()) && due(begin, next) <= microseconds() &&
               (connection = free_connection(connections)) != NULL)
            send_next(connection, due(begin, next++));
        if (is_over && waiting_connections(connections) == 0)
            break;
        if (!is_over && due(begin, next) > microseconds())
            wake_at(timer, due(begin, next));
        int count = epoll_wait(epoll_descriptor, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            uint64_t expirations;
            connection = events[i].data.ptr;
            if (connection == NULL)
                (void)!read(timer, &expirations, sizeof expirations);
            else if (receive(connection) && steps[connection->step].is_immediate && is_below_limit())
                send_next(connection, microseconds());
        }
    }
    while (is_below_limit() && due(begin, next) < window_end && never_sent < UINT32_MAX) {
        next++;
        never_sent++;
    }
    close(timer);
}

static void run(Connection *connections, double warm_up, double seconds) {
    prepare(connections);
    uint64_t begin = microseconds();
    window_begin = begin + (uint64_t)(warm_up * 1e6);
    window_end = window_begin + (uint64_t)(seconds * 1e6);
    if (per_second > 0)
        run_open_loop(connections, begin);
    else
        run_closed_loop(connections, begin, warm_up);
}

/* ---- the result */

static int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static void print_latencies(uint32_t *latencies, size_t count) {
    qsort(latencies, count, sizeof *latencies, by_size);
    static const double shares[] = {0.5, 0.95, 0.99, 0.999, 1.0};
    static const char *names[] = {"p50", "p95", "p99", "p999", "max"};
    printf("\"samples\":%zu", count);
    for (int i = 0; i < 5; i++) {
        size_t rank = (size_t)(shares[i] * (double)count);
        size_t place = rank >= count ? count - 1 : rank;
        printf(",\"%s\":%.3f", names[i], count ? latencies[place] / 1000.0 : 0.0);
    }
}

static void print_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        unsigned char octet = (unsigned char)*text;
        if (octet == '"' || octet == '\\')
            printf("\\%c", octet);
        else if (octet < 32 || octet > 126)
            printf("\\u%04x", octet);
        else
            putchar(octet);
    }
    putchar('"');
}

static void print_steps(void) {
    size_t total = 0;
    for (int i = 0; i < step_count; i++)
        total += steps[i].samples;
    uint32_t *all = allocated(NULL, (total + 1) * sizeof *all);
    size_t copied = 0;
    printf("\"steps\":[");
    for (int i = 0; i < step_count; i++) {
        Step *step = &steps[i];
        if (step->samples)
            memcpy(all + copied, step->latencies, step->samples * sizeof *all);
        copied += step->samples;
        printf("%s{\"name\":\"%s\",\"as_expected\":%llu,\"other\":%llu,\"milliseconds\":{", i ? "," : "", step->name,
               (unsigned long long)step->as_expected, (unsigned long long)step->other);
        print_latencies(step->latencies, step->samples);
        printf("}}");
    }
    printf("],\"milliseconds\":{");
    print_latencies(all, total);
    printf("}");
}

/* How long the window was: shorter than planned, if the requests were used up before. */
static double window_seconds(void) {
    uint64_t end = request_limit && sent >= request_limit && last_answer_at < window_end ? last_answer_at : window_end;
    return end > window_begin ? (double)(end - window_begin) / 1e6 : 0.0;
}

static void print_result(const Connection *connections) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double processor = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\":%.3f,\"sent\":%llu,\"answered\":%llu,\"answered_in_window\":%llu,\"unanswered\":%llu,"
           "\"broken_connections\":%llu,\"octets_received\":%llu,\"processor_seconds\":%.3f,",
           window_seconds(), (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)answered_in_window,
           (unsigned long long)waiting_connections(connections) + never_sent, (unsigned long long)broken_connections,
           (unsigned long long)octets_received, processor);
    print_steps();
    printf(",\"statuses\":{");
    const char *separator = "";
    for (int i = 0; i < MAX_STATUS; i++) {
        if (statuses[i]) {
            printf("%s\"%d\":%llu", separator, i, (unsigned long long)statuses[i]);
            separator = ",";
        }
    }
    printf("},\"first_error\":");
    if (first_error[0])
        print_text(first_error);
    else
        printf("null");
    printf("}\n");
}

int main(int argc, char **argv) {
    if (argc != 11)
        die("PLAN SUBJECTS HOST PORT CONNECTIONS WARM_UP_SECONDS SECONDS REQUESTS STAGGERED PER_SECOND");
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody would read the result */
    read_plan(argv[1]);
    read_subjects(argv[2]);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    signal(SIGPIPE, SIG_IGN);
    if (getaddrinfo(argv[3], argv[4], &hints, &server) != 0)
        die("%s is not an address", argv[3]);
    connection_count = atoi(argv[5]);
    double warm_up = atof(argv[6]), seconds = atof(argv[7]);
    request_limit = strtoull(argv[8], NULL, 10);
    staggered = atoi(argv[9]) != 0;
    per_second = atof(argv[10]);
    epoll_descriptor = epoll_create1(0);
    Connection *connections = allocated(NULL, (size_t)connection_count * sizeof *connections);
    memset(connections, 0, (size_t)connection_count * sizeof *connections);
    run(connections, warm_up, seconds);
    print_result(connections);
    return 0;
}
