"""The loops of `bnproof.empirical.networks.fused`, in C with the vector types of GCC and Clang."""

from typing import Final

SOURCE: Final = r"""
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define WIDE 64   // values taken at once: of 64 channels, or of fewer channels at several pixels
#define PART 16
#define CHUNK 256 // rows that are summed in float before they are added in double

typedef float floats __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));
typedef struct { floats part[4]; } wide;
#define EACH for (int i = 0; i < 4; i++)

// A matrix (rows, width), in bfloat16 if half.  Column j belongs to channel j % channels.
typedef struct { long rows, width, channels; int half; } shape;

// Images, their rows below one another: pixels (rows, width), each with its channels.
typedef struct { long rows, width, channels; int half; } image;

INLINE floats load_part(const void *from, long at, int half) {
    floats to;
    if (half) {
        halves h;
        memcpy(&h, (const uint16_t *)from + at, sizeof h);
        to = (floats)(__builtin_convertvector(h, words) << 16);
    } else {
        memcpy(&to, (const float *)from + at, sizeof to);
    }
    return to;
}

INLINE void store_part(void *to, long at, floats from, int half) {
    if (half) { // rounded to nearest, ties to even
        words w = (words)from, nan = (words)(from != from);
        words rounded = (w + 0x7fff + ((w >> 16) & 1)) >> 16;
        halves h = __builtin_convertvector((nan & 0x7fc0) | (~nan & rounded), halves);
        memcpy((uint16_t *)to + at, &h, sizeof h);
    } else {
        memcpy((float *)to + at, &from, sizeof from);
    }
}

INLINE wide load(const void *from, long at, int half) {
    wide to;
    EACH to.part[i] = load_part(from, at + PART * i, half);
    return to;
}

INLINE void store(void *to, long at, wide from, int half) {
    EACH store_part(to, at + PART * i, from.part[i], half);
}

// The values of one block of columns, given one for each channel.
INLINE wide spread(const float *values, long column, shape s) {
    float each[WIDE];
    for (int j = 0; j < WIDE; j++) each[j] = values[(column + j) % s.channels];
    return load(each, 0, 0);
}

INLINE void add_up(double *to, wide *sum) {
    EACH {
        for (int j = 0; j < PART; j++) to[PART * i + j] += sum->part[i][j];
        sum->part[i] = (floats){0};
    }
}

// The value, or 0 where y <= 0; a y that is NaN lets it pass, as PyTorch's ReLU does.
INLINE floats passing(floats value, floats y) {
    return (floats)((words)value & ~(words)(y <= 0));
}

// Sums of x - shift and of its square in one block of columns.
INLINE void sums(const void *x, long rows, long column, const float *shift, double *first,
                 double *second, shape s) {
    wide k = spread(shift, column, s), one = {0}, two = {0};
    for (int j = 0; j < WIDE; j++) first[j] = second[j] = 0;
    for (long r = 0; r < rows; r++) {
        wide v = load(x, r * s.width + column, s.half);
        EACH {
            floats d = v.part[i] - k.part[i];
            one.part[i] += d;
            two.part[i] += d * d;
        }
        if (r % CHUNK == CHUNK - 1 || r == rows - 1) add_up(first, &one), add_up(second, &two);
    }
}

// Mean and biased variance of each channel, about the mean of the first rows: nothing cancels.
INLINE void moments(const void *x, float *mean, float *variance, shape s) {
    long few = s.rows < CHUNK ? s.rows : CHUNK, own = s.channels < WIDE ? s.channels : WIDE;
    for (long c = 0; c < s.channels; c++) mean[c] = 0;
    for (long column = 0; column < s.width; column += WIDE) {
        double first[WIDE], second[WIDE];
        sums(x, few, column, mean, first, second, s);
        for (int j = own; j < WIDE; j++) first[j % own] += first[j];
        for (int j = 0; j < own; j++) mean[column + j] = first[j] / (few * (WIDE / own));
        sums(x, s.rows, column, mean, first, second, s);
        for (int j = own; j < WIDE; j++) first[j % own] += first[j], second[j % own] += second[j];
        for (int j = 0; j < own; j++) {
            double count = (double)s.rows * (WIDE / own), off = first[j] / count;
            mean[column + j] += off;
            variance[column + j] = second[j] / count - off * off;
        }
    }
}

INLINE void outputs(const void *x, const void *shortcut, void *z, const float *a, const float *b,
                    shape s) {
    for (long column = 0; column < s.width; column += WIDE) {
        wide wa = spread(a, column, s), wb = spread(b, column, s);
        for (long r = 0; r < s.rows; r++) {
            long at = r * s.width + column;
            wide y = load(x, at, s.half);
            EACH y.part[i] = y.part[i] * wa.part[i] + wb.part[i];
            if (shortcut) {
                wide w = load(shortcut, at, s.half);
                EACH y.part[i] += w.part[i];
            }
            EACH y.part[i] = passing(y.part[i], y.part[i]);
            store(z, at, y, s.half);
        }
    }
}

// Sums of the gradient g behind the ReLU and of g (x - mean).  With z, the gradient is stored in
// passed; without, z is evaluated again.
INLINE void products(const void *g, const void *x, const void *z, void *passed, const float *a,
                     const float *b, const float *mean, double *first, double *second, shape s) {
    for (long c = 0; c < s.channels; c++) first[c] = second[c] = 0;
    for (long column = 0; column < s.width; column += WIDE) {
        wide wa = spread(a, column, s), wb = spread(b, column, s), wm = spread(mean, column, s);
        wide one = {0}, two = {0};
        double sum[WIDE] = {0}, product[WIDE] = {0};
        for (long r = 0; r < s.rows; r++) {
            long at = r * s.width + column;
            wide w = load(g, at, s.half), v = load(x, at, s.half), y;
            if (z) y = load(z, at, s.half);
            else EACH y.part[i] = v.part[i] * wa.part[i] + wb.part[i];
            EACH w.part[i] = passing(w.part[i], y.part[i]);
            if (z) store(passed, at, w, s.half);
            EACH {
                one.part[i] += w.part[i];
                two.part[i] += w.part[i] * (v.part[i] - wm.part[i]);
            }
            if (r % CHUNK == CHUNK - 1 || r == s.rows - 1) add_up(sum, &one), add_up(product, &two);
        }
        for (int j = 0; j < WIDE; j++) {
            first[(column + j) % s.channels] += sum[j];
            second[(column + j) % s.channels] += product[j];
        }
    }
}

// The gradient in x: a g + p x + q for each channel.
INLINE void slopes(const void *g, const void *x, int through, void *dx, const float *a,
                   const float *b, const float *p, const float *q, shape s) {
    for (long column = 0; column < s.width; column += WIDE) {
        wide wa = spread(a, column, s), wb = spread(b, column, s);
        wide wp = spread(p, column, s), wq = spread(q, column, s);
        for (long r = 0; r < s.rows; r++) {
            long at = r * s.width + column;
            wide w = load(g, at, s.half), v = load(x, at, s.half);
            if (through)
                EACH w.part[i] = passing(w.part[i], v.part[i] * wa.part[i] + wb.part[i]);
            EACH w.part[i] = w.part[i] * wa.part[i] + (v.part[i] * wp.part[i] + wq.part[i]);
            store(dx, at, w, s.half);
        }
    }
}

// Four neighbouring pixels of a part of the channels, BN of them, and the largest of the four.
typedef struct { floats x[4], y; words chosen[4]; } square;

INLINE square look(const void *x, const long *at, floats a, floats b, int half) {
    square s;
    words left = ~(words){0};
    for (int k = 0; k < 4; k++) {
        s.x[k] = load_part(x, at[k], half);
        floats y = s.x[k] * a + b;
        words larger = k ? (words)(y > s.y) | (words)(y != y) : left;
        s.y = k ? (floats)(((words)y & larger) | ((words)s.y & ~larger)) : y;
        s.chosen[k] = larger;
    }
    for (int k = 3; k >= 0; k--) { // of those that were the largest so far, the last one counts
        s.chosen[k] &= left;
        left &= ~s.chosen[k];
    }
    return s;
}

// Offsets of the pixels under pixel (row, column) of the pooled images; row counts over all images.
INLINE void under(long *at, long row, long column, image m) {
    long first = (2 * row * m.width + 2 * column) * m.channels;
    at[0] = first, at[1] = first + m.channels;
    at[2] = first + m.width * m.channels, at[3] = at[2] + m.channels;
}

INLINE void pooled_outputs(const void *x, void *z, const float *a, const float *b, image m) {
    long at[4], to = 0;
    for (long row = 0; row < m.rows / 2; row++)
        for (long column = 0; column < m.width / 2; column++, to += m.channels) {
            under(at, row, column, m);
            for (long c = 0; c < m.channels; c += PART) {
                square s = look(x, at, load_part(a, c, 0), load_part(b, c, 0), m.half);
                store_part(z, to + c, passing(s.y, s.y), m.half);
                for (int k = 0; k < 4; k++) at[k] += PART;
            }
        }
}

INLINE void pooled_products(const void *g, const void *x, const float *a, const float *b,
                            const float *mean, double *first, double *second, image m) {
    float one[m.channels], two[m.channels];
    long at[4], from = 0;
    for (long c = 0; c < m.channels; c++) first[c] = second[c] = one[c] = two[c] = 0;
    for (long row = 0; row < m.rows / 2; row++) {
        for (long column = 0; column < m.width / 2; column++, from += m.channels) {
            under(at, row, column, m);
            for (long c = 0; c < m.channels; c += PART) {
                square s = look(x, at, load_part(a, c, 0), load_part(b, c, 0), m.half);
                floats w = passing(load_part(g, from + c, m.half), s.y);
                floats chosen = (floats)((words)s.x[0] & s.chosen[0]);
                for (int k = 1; k < 4; k++)
                    chosen = (floats)((words)chosen | ((words)s.x[k] & s.chosen[k]));
                floats sum = load_part(one, c, 0) + w;
                floats product = load_part(two, c, 0) + w * (chosen - load_part(mean, c, 0));
                store_part(one, c, sum, 0);
                store_part(two, c, product, 0);
                for (int k = 0; k < 4; k++) at[k] += PART;
            }
        }
        for (long c = 0; c < m.channels; c++) {
            first[c] += one[c], second[c] += two[c];
            one[c] = two[c] = 0;
        }
    }
}

INLINE void pooled_slopes(const void *g, const void *x, void *dx, const float *a, const float *b,
                          const float *p, const float *q, image m) {
    long at[4], from = 0;
    for (long row = 0; row < m.rows / 2; row++)
        for (long column = 0; column < m.width / 2; column++, from += m.channels) {
            under(at, row, column, m);
            for (long c = 0; c < m.channels; c += PART) {
                floats wa = load_part(a, c, 0);
                square s = look(x, at, wa, load_part(b, c, 0), m.half);
                floats w = passing(load_part(g, from + c, m.half), s.y) * wa;
                for (int k = 0; k < 4; k++) {
                    floats own = (floats)((words)w & s.chosen[k]);
                    own += s.x[k] * load_part(p, c, 0) + load_part(q, c, 0);
                    store_part(dx, at[k], own, m.half);
                    at[k] += PART;
                }
            }
        }
}

INLINE shape shaped(long pixels, long channels, int half) {
    long width = channels < WIDE ? WIDE : channels;
    return (shape){pixels * channels / width, width, channels, half};
}

// mean and variance of each channel, then a and b with BN(x) = a x + b
INLINE void tabulate(const void *x, const float *gamma, const float *beta, double eps,
                     float *table, shape s) {
    float *mean = table, *variance = table + s.channels;
    float *a = table + 2 * s.channels, *b = table + 3 * s.channels;
    moments(x, mean, variance, s);
    for (long c = 0; c < s.channels; c++) {
        a[c] = gamma[c] / sqrt(variance[c] + eps);
        b[c] = beta[c] - mean[c] * a[c];
    }
}

// The gradients of gamma and beta, and p and q with the gradient of x = a g + p x + q.
INLINE void derive(const double *first, const double *second, double eps, const float *table,
                   float *dgamma, float *dbeta, float *p, float *q, shape s) {
    const float *mean = table, *variance = table + s.channels, *a = table + 2 * s.channels;
    double count = (double)s.rows * s.width / s.channels;
    for (long c = 0; c < s.channels; c++) {
        double inverse = 1 / sqrt(variance[c] + eps);
        double slope = -a[c] * inverse * inverse * second[c] / count;
        dgamma[c] = second[c] * inverse;
        dbeta[c] = first[c];
        p[c] = slope;
        q[c] = -a[c] * first[c] / count - slope * mean[c];
    }
}

INLINE void forward(const void *x, const void *shortcut, void *z, const float *gamma,
                    const float *beta, double eps, float *table, image m) {
    shape s = shaped(m.rows * m.width, m.channels, m.half);
    const float *a = table + 2 * s.channels, *b = table + 3 * s.channels;
    tabulate(x, gamma, beta, eps, table, s);
    if (shortcut) outputs(x, shortcut, z, a, b, s);
    else outputs(x, 0, z, a, b, s);
}

INLINE void pooled_forward(const void *x, void *z, const float *gamma, const float *beta,
                           double eps, float *table, image m) {
    tabulate(x, gamma, beta, eps, table, shaped(m.rows * m.width, m.channels, m.half));
    pooled_outputs(x, z, table + 2 * m.channels, table + 3 * m.channels, m);
}

INLINE void backward(const void *g, const void *x, const void *z, void *passed, void *dx,
                     double eps, const float *table, float *dgamma, float *dbeta, image m) {
    shape s = shaped(m.rows * m.width, m.channels, m.half);
    const float *mean = table, *a = table + 2 * s.channels, *b = table + 3 * s.channels;
    double first[s.channels], second[s.channels];
    float p[s.channels], q[s.channels];
    if (z) products(g, x, z, passed, a, b, mean, first, second, s);
    else products(g, x, 0, 0, a, b, mean, first, second, s);
    derive(first, second, eps, table, dgamma, dbeta, p, q, s);
    if (z) slopes(passed, x, 0, dx, a, b, p, q, s);
    else slopes(g, x, 1, dx, a, b, p, q, s);
}

INLINE void pooled_backward(const void *g, const void *x, void *dx, double eps,
                            const float *table, float *dgamma, float *dbeta, image m) {
    const float *mean = table, *a = table + 2 * m.channels, *b = table + 3 * m.channels;
    double first[m.channels], second[m.channels];
    float p[m.channels], q[m.channels];
    pooled_products(g, x, a, b, mean, first, second, m);
    derive(first, second, eps, table, dgamma, dbeta, p, q,
           shaped(m.rows * m.width, m.channels, m.half));
    pooled_slopes(g, x, dx, a, b, p, q, m);
}

// With constants for the type, so that the compiler makes loops for each.
#define FOR_EACH_TYPE(call, ...)                                     \
    do {                                                             \
        if (half) call(__VA_ARGS__, (image){rows, width, channels, 1}); \
        else call(__VA_ARGS__, (image){rows, width, channels, 0});   \
    } while (0)

// z = relu(BN(x) + shortcut), where shortcut may be null; with pool, the maximum of relu(BN(x))
// over squares of 2x2 pixels.  table (4, channels) is for the gradients.
void fused_forward(const void *x, const void *shortcut, void *z, const float *gamma,
                   const float *beta, double eps, float *table, long rows, long width,
                   long channels, int half, int pool) {
    if (pool) FOR_EACH_TYPE(pooled_forward, x, z, gamma, beta, eps, table);
    else FOR_EACH_TYPE(forward, x, shortcut, z, gamma, beta, eps, table);
}

// The gradients of x, gamma and beta; with z, also that of the shortcut, in passed.
void fused_backward(const void *g, const void *x, const void *z, void *passed, void *dx,
                    double eps, const float *table, float *dgamma, float *dbeta, long rows,
                    long width, long channels, int half, int pool) {
    if (pool) FOR_EACH_TYPE(pooled_backward, g, x, dx, eps, table, dgamma, dbeta);
    else FOR_EACH_TYPE(backward, g, x, z, passed, dx, eps, table, dgamma, dbeta);
}
"""
