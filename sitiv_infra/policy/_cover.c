/* The questions of cover.py over arrays of ranks, one for one: same order of steps, same answers.

   Arrays come by the buffer protocol, so that no header of NumPy is needed. Sizes, item types and
   indices are checked at the door; a rank is compared and never used as an index, so that arrays
   that change meanwhile give wrong answers but no wrong access. The GIL is held throughout. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define MOST_SIDES 32
#define BLOCK 64         /* boxes that are compared at once; a mask of them is one word */
#define PATIENCE 4000000 /* comparisons of boxes between two looks for Ctrl-C: about 10 ms */

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

enum { DONE, HOLE, SPENT, FAILED };

typedef struct {
    void *data;
    size_t used, room; /* in bytes */
} Pile;

static void *more(Pile *pile, size_t bytes)
{
    if (pile->data == NULL || pile->room - pile->used < bytes) {
        if (bytes > (size_t)PY_SSIZE_T_MAX / 4 || pile->room > (size_t)PY_SSIZE_T_MAX / 4) {
            PyErr_NoMemory();
            return NULL;
        }
        size_t room = 2 * pile->room + bytes + 256;
        void *data = PyMem_Realloc(pile->data, room);
        if (data == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        pile->data = data;
        pile->room = room;
    }
    void *place = (char *)pile->data + pile->used;
    pile->used += bytes;
    return place;
}

static void drop(Pile *pile)
{
    PyMem_Free(pile->data);
    memset(pile, 0, sizeof *pile);
}

static PyObject *told(const Pile *pile)
{
    return PyBytes_FromStringAndSize(pile->data, (Py_ssize_t)pile->used);
}

/* ---- arrays that come in ------------------------------------------------------------------- */

/* Borrow an array of `size` items of a kind: 'i' is int32, 'q' int64, '?' a byte; size -1: any. */
static int borrow(PyObject *object, Py_buffer *view, char kind, Py_ssize_t size, const char *name)
{
    static const char *const FORMATS[] = {"i", "lq", "?bB"};
    const int at = kind == 'i' ? 0 : kind == 'q' ? 1 : 2;
    static const Py_ssize_t WIDTHS[] = {4, 8, 1};
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=')
        format++;
    if (view->itemsize != WIDTHS[at] || strlen(format) != 1 || !strchr(FORMATS[at], *format)) {
        PyErr_Format(PyExc_TypeError, "%s: items of another type", name);
    } else if (size >= 0 && view->len != size * WIDTHS[at]) {
        PyErr_Format(PyExc_ValueError, "%s: %zd bytes where %zd are needed", name, view->len,
                     size * WIDTHS[at]);
    } else {
        return 0;
    }
    PyBuffer_Release(view);
    return -1;
}

/* ---- boxes, and which of them a box meets -------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    Py_buffer lows, highs; /* [side][box] */
    Py_ssize_t sides, kept, count, blocks;
    Py_ssize_t order[MOST_SIDES]; /* the sides in which boxes differ: where they do most first */
    /* Boxes sorted by their low on that side: [block][kept side][low or high][BLOCK]. */
    int32_t *sorted;
    int64_t *places; /* where a sorted box stands in the list */
    int32_t *least, *most; /* of a block on that side: the first low, the last high */
    uint64_t *marks; /* a bit for each box; all zero between questions */
    Py_ssize_t words;
    Py_ssize_t work;
} Boxes;

static int patient(Py_ssize_t *work, Py_ssize_t done)
{
    *work += done;
    if (*work < PATIENCE)
        return 0;
    *work = 0;
    return PyErr_CheckSignals();
}

static int32_t side_of(const Py_buffer *view, const Boxes *boxes, Py_ssize_t side, Py_ssize_t box)
{
    return ((const int32_t *)view->buf)[side * boxes->count + box];
}

static void corners_of(const Boxes *boxes, Py_ssize_t box, int32_t *low, int32_t *high)
{
    for (Py_ssize_t side = 0; side < boxes->sides; side++) {
        low[side] = side_of(&boxes->lows, boxes, side, box);
        high[side] = side_of(&boxes->highs, boxes, side, box);
    }
}

/* Which boxes of a block share something with a box. */
CLONES static uint64_t met_in(const int32_t *block, const Boxes *boxes, const int32_t *low,
                              const int32_t *high)
{
    int32_t met[BLOCK];
    memset(met, 0xff, sizeof met);
    for (Py_ssize_t at = 0; at < boxes->kept; at++, block += 2 * BLOCK) {
        const int32_t from = low[boxes->order[at]], to = high[boxes->order[at]];
        int32_t any = 0;
        for (int slot = 0; slot < BLOCK; slot++) {
            met[slot] &= -((block[slot] <= to) & (block[BLOCK + slot] >= from));
            any |= met[slot];
        }
        if (!any)
            return 0;
    }
    uint64_t mask = 0;
    for (int slot = 0; slot < BLOCK; slot++)
        mask |= (uint64_t)(met[slot] & 1) << slot;
    return mask;
}

/* Which boxes meet a box: those from `start` and before `end`, and, with `held`, of the ones that
   it tells. Appended to `found` as int64, in the order of the list. */
static int gather(Boxes *boxes, const int32_t *low, const int32_t *high, int64_t start, int64_t end,
                  const uint8_t *held, Pile *found)
{
    const int32_t from = low[boxes->order[0]], to = high[boxes->order[0]];
    Py_ssize_t looked = boxes->blocks / BLOCK + 1;
    Py_ssize_t first = boxes->words, last = -1;
    for (Py_ssize_t block = 0; block < boxes->blocks && boxes->least[block] <= to; block++) {
        if (boxes->most[block] < from)
            continue;
        looked += BLOCK;
        uint64_t met = met_in(boxes->sorted + block * boxes->kept * 2 * BLOCK, boxes, low, high);
        for (; met; met &= met - 1) {
            const Py_ssize_t slot = block * BLOCK + __builtin_ctzll(met);
            if (slot >= boxes->count)
                break;
            const int64_t place = boxes->places[slot];
            if (place < start || place >= end || (held != NULL && !held[place]))
                continue;
            boxes->marks[place / 64] |= (uint64_t)1 << (place % 64);
            first = place / 64 < first ? place / 64 : first;
            last = place / 64 > last ? place / 64 : last;
        }
    }
    int failed = 0;
    for (Py_ssize_t word = first; word <= last; word++) {
        for (uint64_t bits = boxes->marks[word]; bits && !failed; bits &= bits - 1) {
            int64_t *place = more(found, sizeof *place);
            if (place == NULL)
                failed = -1;
            else
                *place = word * 64 + __builtin_ctzll(bits);
        }
        boxes->marks[word] = 0;
    }
    return failed ? failed : patient(&boxes->work, looked);
}

typedef struct {
    int32_t low, high;
    int64_t place;
} Key;

static int by_low(const void *one, const void *other)
{
    const Key *a = one, *b = other;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->high != b->high)
        return a->high > b->high ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static int sort_boxes(Boxes *boxes)
{
    const Py_ssize_t count = boxes->count, kept = boxes->kept, side = boxes->order[0];
    Key *keys = PyMem_Calloc((size_t)count + 1, sizeof *keys);
    boxes->blocks = (count + BLOCK - 1) / BLOCK;
    boxes->words = count / 64 + 1;
    const size_t slots = (size_t)boxes->blocks * BLOCK;
    boxes->sorted = PyMem_Calloc(slots * 2 * (size_t)kept + 1, sizeof *boxes->sorted);
    boxes->places = PyMem_Calloc(slots + 1, sizeof *boxes->places);
    boxes->least = PyMem_Calloc((size_t)boxes->blocks + 1, sizeof *boxes->least);
    boxes->most = PyMem_Calloc((size_t)boxes->blocks + 1, sizeof *boxes->most);
    boxes->marks = PyMem_Calloc((size_t)boxes->words, sizeof *boxes->marks);
    if (!keys || !boxes->sorted || !boxes->places || !boxes->least || !boxes->most
        || !boxes->marks) {
        PyMem_Free(keys);
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t box = 0; box < count; box++)
        keys[box] = (Key){side_of(&boxes->lows, boxes, side, box),
                          side_of(&boxes->highs, boxes, side, box), box};
    qsort(keys, (size_t)count, sizeof *keys, by_low);
    for (Py_ssize_t slot = 0; slot < count; slot++) {
        const Py_ssize_t block = slot / BLOCK, place = keys[slot].place;
        int32_t *here = boxes->sorted + block * kept * 2 * BLOCK + slot % BLOCK;
        boxes->places[slot] = place;
        for (Py_ssize_t at = 0; at < kept; at++, here += 2 * BLOCK) {
            here[0] = side_of(&boxes->lows, boxes, boxes->order[at], place);
            here[BLOCK] = side_of(&boxes->highs, boxes, boxes->order[at], place);
        }
        if (slot % BLOCK == 0) {
            boxes->least[block] = keys[slot].low;
            boxes->most[block] = keys[slot].high;
        }
        if (keys[slot].high > boxes->most[block])
            boxes->most[block] = keys[slot].high;
    }
    PyMem_Free(keys);
    return 0;
}

/* ---- one search: what boxes leave of a box ------------------------------------------------- */

typedef struct {
    Py_ssize_t sides, count, depth, work;
    int64_t left;      /* steps of the budget */
    int32_t *boxes;    /* those in question: [box][low or high][side] */
    uint8_t *used;     /* which of them were needed */
    int32_t *around;   /* a scratch list of as many */
    Pile pieces;       /* waiting: lows and highs, then how many boxes meet the piece */
    Pile near;         /* the boxes that meet each, the last piece's at the end */
} Search;

static void end_search(Search *search)
{
    PyMem_Free(search->boxes);
    PyMem_Free(search->used);
    PyMem_Free(search->around);
    drop(&search->pieces);
    drop(&search->near);
    memset(search, 0, sizeof *search);
}

/* Put a piece on the pile, with those of the boxes around that meet it. */
static int push(Search *search, const int32_t *low, const int32_t *high, const int32_t *around,
                Py_ssize_t count)
{
    const Py_ssize_t sides = search->sides;
    int32_t *met = more(&search->near, (size_t)count * sizeof *met);
    int32_t *piece = more(&search->pieces, (size_t)(2 * sides + 1) * sizeof *piece);
    if (met == NULL || piece == NULL)
        return -1;
    Py_ssize_t found = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        const int32_t *box = search->boxes + (Py_ssize_t)around[at] * 2 * sides;
        int meets = 1;
        for (Py_ssize_t side = 0; side < sides; side++)
            meets &= (box[side] <= high[side]) & (box[sides + side] >= low[side]);
        met[found] = around[at];
        found += meets;
    }
    search->near.used -= (size_t)(count - found) * sizeof *met;
    memcpy(piece, low, (size_t)sides * sizeof *piece);
    memcpy(piece + sides, high, (size_t)sides * sizeof *piece);
    piece[2 * sides] = (int32_t)found;
    search->depth++;
    return 0;
}

static int start_search(Search *search, const Boxes *boxes, const int32_t *low, const int32_t *high,
                        const int64_t *among, Py_ssize_t count, int64_t budget)
{
    memset(search, 0, sizeof *search);
    search->sides = boxes->sides;
    search->count = count;
    search->left = budget;
    search->boxes = PyMem_Calloc((size_t)count * 2 * (size_t)boxes->sides + 1, sizeof(int32_t));
    search->used = PyMem_Calloc((size_t)count + 1, 1);
    search->around = PyMem_Calloc((size_t)count + 1, sizeof(int32_t));
    if (!search->boxes || !search->used || !search->around) {
        PyErr_NoMemory();
        end_search(search);
        return -1;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        int32_t *here = search->boxes + at * 2 * boxes->sides;
        corners_of(boxes, among[at], here, here + boxes->sides);
        search->around[at] = (int32_t)at;
    }
    if (push(search, low, high, search->around, count) < 0) {
        end_search(search);
        return -1;
    }
    return 0;
}

/* Cut a piece around a box into at most two pieces a side, all of them waiting then. */
static int cut(Search *search, int32_t *low, int32_t *high, const int32_t *box, Py_ssize_t count)
{
    const Py_ssize_t sides = search->sides;
    const int32_t *from = box, *to = box + sides;
    for (Py_ssize_t side = 0; side < sides; side++) {
        if (from[side] > low[side]) {
            const int32_t kept = high[side];
            high[side] = from[side] - 1;
            if (push(search, low, high, search->around, count) < 0)
                return -1;
            high[side] = kept;
            low[side] = from[side];
        }
        if (to[side] < high[side]) {
            const int32_t kept = low[side];
            low[side] = to[side] + 1;
            if (push(search, low, high, search->around, count) < 0)
                return -1;
            low[side] = kept;
            high[side] = to[side];
        }
    }
    return 0;
}

/* Choose the box that holds a whole piece, or that shares most with it. */
static Py_ssize_t best_of(const Search *search, const int32_t *low, const int32_t *high,
                          Py_ssize_t count, int *whole)
{
    const Py_ssize_t sides = search->sides;
    Py_ssize_t best = 0;
    double most = -1;
    for (Py_ssize_t at = 0; at < count; at++) {
        const int32_t *from = search->boxes + (Py_ssize_t)search->around[at] * 2 * sides;
        const int32_t *to = from + sides;
        int over = 1;
        double shared = 1;
        for (Py_ssize_t side = 0; side < sides; side++) {
            over &= (from[side] <= low[side]) & (to[side] >= high[side]);
            const int32_t begin = from[side] > low[side] ? from[side] : low[side];
            const int32_t end = to[side] < high[side] ? to[side] : high[side];
            shared *= (double)end - (double)begin + 1.0;
        }
        if (over) {
            *whole = 1;
            return at;
        }
        if (shared > most) {
            most = shared;
            best = at;
        }
    }
    *whole = 0;
    return best;
}

/* Go on until the next hole: its low and high corner; or DONE, SPENT or FAILED. */
static int next_hole(Search *search, int32_t *low, int32_t *high)
{
    const Py_ssize_t sides = search->sides;
    while (search->left > 0) {
        search->left--;
        if (search->depth == 0) {
            search->left = 1; /* and it stays done */
            return DONE;
        }
        search->pieces.used -= (size_t)(2 * sides + 1) * sizeof(int32_t);
        const int32_t *piece = (int32_t *)((char *)search->pieces.data + search->pieces.used);
        const Py_ssize_t count = piece[2 * sides];
        memcpy(low, piece, (size_t)sides * sizeof *low);
        memcpy(high, piece + sides, (size_t)sides * sizeof *high);
        search->near.used -= (size_t)count * sizeof(int32_t);
        search->depth--;
        if (count == 0)
            return HOLE;
        memcpy(search->around, (char *)search->near.data + search->near.used,
               (size_t)count * sizeof(int32_t));
        int whole;
        const Py_ssize_t best = best_of(search, low, high, count, &whole);
        search->used[search->around[best]] = 1;
        const int32_t *box = search->boxes + (Py_ssize_t)search->around[best] * 2 * sides;
        if (!whole && cut(search, low, high, box, count) < 0)
            return FAILED;
        if (patient(&search->work, count + 8) < 0)
            return FAILED;
    }
    return SPENT;
}

static int lone_corner(const Boxes *boxes, const int32_t *corner, const int64_t *among,
                       Py_ssize_t count)
{
    for (Py_ssize_t at = 0; at < count; at++) {
        int over = 1;
        for (Py_ssize_t side = 0; side < boxes->sides && over; side++)
            over = side_of(&boxes->lows, boxes, side, among[at]) <= corner[side]
                   && side_of(&boxes->highs, boxes, side, among[at]) >= corner[side];
        if (over)
            return 0;
    }
    return 1;
}

/* Whether boxes cover a box: DONE, with those that were needed appended to `used`; or HOLE, with
   one corner that none of them has; or SPENT; or FAILED. */
static int ask(Boxes *boxes, const int32_t *low, const int32_t *high, const int64_t *among,
               Py_ssize_t count, int64_t budget, int32_t *hole, Pile *used)
{
    const size_t bytes = (size_t)boxes->sides * sizeof *hole;
    if (lone_corner(boxes, low, among, count)) {
        memcpy(hole, low, bytes);
        return HOLE;
    }
    if (lone_corner(boxes, high, among, count)) {
        memcpy(hole, high, bytes);
        return HOLE;
    }
    Search search;
    int32_t beyond[MOST_SIDES];
    if (start_search(&search, boxes, low, high, among, count, budget) < 0)
        return FAILED;
    int found = next_hole(&search, hole, beyond);
    for (Py_ssize_t at = 0; found == DONE && at < count; at++) {
        int64_t *place = search.used[at] ? more(used, sizeof *place) : NULL;
        if (place != NULL)
            *place = among[at];
        else if (search.used[at])
            found = FAILED;
    }
    end_search(&search);
    return found;
}

/* ---- the iterator over holes --------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    Search search;
    PyObject *spent; /* the exception of a spent budget */
} Holes;

static void free_holes(PyObject *self)
{
    Holes *holes = (Holes *)self;
    PyTypeObject *type = Py_TYPE(self);
    end_search(&holes->search);
    Py_XDECREF(holes->spent);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *next_of_holes(PyObject *self)
{
    Holes *holes = (Holes *)self;
    int32_t low[MOST_SIDES], high[MOST_SIDES];
    const Py_ssize_t bytes = holes->search.sides * (Py_ssize_t)sizeof *low;
    switch (next_hole(&holes->search, low, high)) {
    case HOLE:
        return Py_BuildValue("y#y#", (char *)low, bytes, (char *)high, bytes);
    case SPENT:
        PyErr_SetNone(holes->spent);
        return NULL;
    default:
        return NULL;
    }
}

static PyType_Slot HOLES_SLOTS[] = {
    {Py_tp_dealloc, free_holes},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next_of_holes},
    {0, NULL},
};
static PyType_Spec HOLES_SPEC = {
    "sitiv_infra.policy._cover.Holes", sizeof(Holes), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, HOLES_SLOTS,
};

/* ---- methods ------------------------------------------------------------------------------- */

typedef struct {
    PyObject *holes, *boxes;
} State;

static State *state_of(PyObject *self);

typedef struct {
    Py_buffer low, high, among;
} Question;

static void close_question(Question *asked)
{
    PyBuffer_Release(&asked->low);
    PyBuffer_Release(&asked->high);
    PyBuffer_Release(&asked->among);
}

static int open_question(const Boxes *boxes, PyObject *low, PyObject *high, PyObject *among,
                         Question *asked)
{
    memset(asked, 0, sizeof *asked);
    if (borrow(low, &asked->low, 'i', boxes->sides, "low") < 0
        || borrow(high, &asked->high, 'i', boxes->sides, "high") < 0
        || (among != NULL && borrow(among, &asked->among, 'q', -1, "among") < 0)) {
        close_question(asked);
        return -1;
    }
    const int64_t *places = asked->among.buf;
    for (Py_ssize_t at = 0; at < asked->among.len / 8; at++) {
        if (places[at] < 0 || places[at] >= boxes->count) {
            PyErr_SetString(PyExc_IndexError, "among: no such box");
            close_question(asked);
            return -1;
        }
    }
    if (asked->among.len / 8 > INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "among: too many boxes");
        close_question(asked);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(OVERLAPPING, "overlapping(low, high, end): int64 indices of the boxes that meet one.");
static PyObject *overlapping(PyObject *self, PyObject *arguments)
{
    Boxes *boxes = (Boxes *)self;
    PyObject *low, *high;
    long long end;
    Question asked;
    Pile found = {0};
    PyObject *answer = NULL;
    if (!PyArg_ParseTuple(arguments, "OOL", &low, &high, &end)
        || open_question(boxes, low, high, NULL, &asked) < 0)
        return NULL;
    if (gather(boxes, asked.low.buf, asked.high.buf, 0, end, NULL, &found) == 0)
        answer = told(&found);
    drop(&found);
    close_question(&asked);
    return answer;
}

PyDoc_STRVAR(ASK, "ask(low, high, among, budget, spent): a corner that no box has and None; or None"
                  " and the boxes that cover it; raises spent beyond the budget.");
static PyObject *ask_boxes(PyObject *self, PyObject *arguments)
{
    Boxes *boxes = (Boxes *)self;
    PyObject *low, *high, *among, *spent, *answer = NULL;
    long long budget;
    Question asked;
    Pile used = {0};
    int32_t hole[MOST_SIDES];
    if (!PyArg_ParseTuple(arguments, "OOOLO", &low, &high, &among, &budget, &spent)
        || open_question(boxes, low, high, among, &asked) < 0)
        return NULL;
    switch (ask(boxes, asked.low.buf, asked.high.buf, asked.among.buf, asked.among.len / 8, budget,
                hole, &used)) {
    case HOLE:
        answer = Py_BuildValue("y#O", (char *)hole, boxes->sides * (Py_ssize_t)sizeof *hole,
                               Py_None);
        break;
    case DONE:
        answer = Py_BuildValue("ON", Py_None, told(&used));
        break;
    case SPENT:
        PyErr_SetNone(spent);
        break;
    default:
        break;
    }
    drop(&used);
    close_question(&asked);
    return answer;
}

PyDoc_STRVAR(HOLES, "holes(low, high, among, budget, spent): iterate over what boxes leave of one.");
static PyObject *holes_of(PyObject *self, PyObject *arguments)
{
    Boxes *boxes = (Boxes *)self;
    PyObject *low, *high, *among, *spent;
    long long budget;
    Question asked;
    if (!PyArg_ParseTuple(arguments, "OOOLO", &low, &high, &among, &budget, &spent)
        || open_question(boxes, low, high, among, &asked) < 0)
        return NULL;
    PyTypeObject *type = (PyTypeObject *)state_of(self)->holes;
    Holes *holes = (Holes *)type->tp_alloc(type, 0);
    if (holes != NULL
        && start_search(&holes->search, boxes, asked.low.buf, asked.high.buf, asked.among.buf,
                        asked.among.len / 8, budget) < 0) {
        Py_DECREF(holes);
        holes = NULL;
    }
    if (holes != NULL)
        holes->spent = Py_NewRef(spent);
    close_question(&asked);
    return (PyObject *)holes;
}

/* Borrow where the boxes of each line begin: rising, from 0 to the number of boxes. */
static int borrow_starts(const Boxes *boxes, PyObject *object, Py_buffer *view)
{
    if (borrow(object, view, 'q', -1, "starts") < 0)
        return -1;
    const int64_t *starts = view->buf;
    const Py_ssize_t count = view->len / 8;
    int wrong = count < 1 || starts[0] != 0 || starts[count - 1] != boxes->count;
    for (Py_ssize_t line = 1; line < count && !wrong; line++)
        wrong = starts[line] < starts[line - 1];
    if (!wrong)
        return 0;
    PyErr_SetString(PyExc_ValueError, "starts: not the starts of lines");
    PyBuffer_Release(view);
    return -1;
}

/* Ask for each box of a line whether the certain ones of lines before it cover it. */
static int shadow(Boxes *boxes, const int64_t *starts, Py_ssize_t line, const uint8_t *certain,
                  int64_t budget, int32_t *hole, Pile *near, Pile *used)
{
    int32_t low[MOST_SIDES], high[MOST_SIDES];
    int found = DONE;
    const int64_t start = starts[line];
    /* Checked at the door; but a signal's handler may have written there since. */
    const int64_t end = starts[line + 1] <= boxes->count ? starts[line + 1] : boxes->count;
    for (int64_t box = start < 0 ? end : start; box < end && found == DONE; box++) {
        corners_of(boxes, box, low, high);
        near->used = 0;
        if (gather(boxes, low, high, 0, start, certain, near) < 0)
            return FAILED;
        found = ask(boxes, low, high, near->data, (Py_ssize_t)(near->used / 8), budget, hole, used);
    }
    return found;
}

PyDoc_STRVAR(SHADOWS,
             "shadows(starts, certain, budget): for each line 0 where certain boxes of lines before"
             " it cover all of its own, 1 where not, 2 where the budget was spent; int32 corners,"
             " for each line one that is left; int64 where each line's used boxes begin; these.");
static PyObject *shadows(PyObject *self, PyObject *arguments)
{
    Boxes *boxes = (Boxes *)self;
    PyObject *starts_given, *certain_given, *answer = NULL;
    long long budget;
    Py_buffer starts, certain;
    if (!PyArg_ParseTuple(arguments, "OOL", &starts_given, &certain_given, &budget)
        || borrow_starts(boxes, starts_given, &starts) < 0)
        return NULL;
    if (borrow(certain_given, &certain, '?', boxes->count, "certain") < 0) {
        PyBuffer_Release(&starts);
        return NULL;
    }
    const Py_ssize_t lines = starts.len / 8 - 1;
    Pile states = {0}, corners = {0}, begins = {0}, used = {0}, near = {0};
    Py_ssize_t line;
    for (line = 0; line < lines; line++) {
        uint8_t *state = more(&states, 1);
        int64_t *begin = more(&begins, sizeof *begin);
        int32_t *hole = more(&corners, (size_t)boxes->sides * sizeof *hole);
        if (!state || !begin || !hole)
            break;
        const size_t before = used.used;
        *begin = (int64_t)(before / 8);
        memset(hole, 0, (size_t)boxes->sides * sizeof *hole);
        const int found =
            shadow(boxes, starts.buf, line, certain.buf, budget, hole, &near, &used);
        if (found == FAILED)
            break;
        if (found != DONE)
            used.used = before;
        *state = (uint8_t)found;
    }
    int64_t *end = line == lines ? more(&begins, sizeof *end) : NULL;
    if (end != NULL) {
        *end = (int64_t)(used.used / 8);
        answer = Py_BuildValue("NNNN", told(&states), told(&corners), told(&begins), told(&used));
    }
    drop(&states);
    drop(&corners);
    drop(&begins);
    drop(&used);
    drop(&near);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&certain);
    return answer;
}

PyDoc_STRVAR(DECIDING, "deciding(corners, after, held): for each corner the first box, of those from"
                       " a place and held, that has it, as int64; the number of boxes if none.");
static PyObject *deciding(PyObject *self, PyObject *arguments)
{
    Boxes *boxes = (Boxes *)self;
    PyObject *corners_given, *after_given, *held_given, *answer = NULL;
    Py_buffer corners = {0}, after = {0}, held = {0};
    Pile near = {0}, found = {0};
    if (!PyArg_ParseTuple(arguments, "OOO", &corners_given, &after_given, &held_given))
        return NULL;
    if (borrow(after_given, &after, 'q', -1, "after") == 0
        && borrow(corners_given, &corners, 'i', after.len / 8 * boxes->sides, "corners") == 0
        && borrow(held_given, &held, '?', boxes->count, "held") == 0) {
        Py_ssize_t at;
        for (at = 0; at < after.len / 8; at++) {
            const int32_t *corner = (int32_t *)corners.buf + at * boxes->sides;
            int64_t *first = more(&found, sizeof *first);
            near.used = 0;
            if (first == NULL
                || gather(boxes, corner, corner, ((int64_t *)after.buf)[at], boxes->count, held.buf,
                          &near) < 0)
                break;
            *first = near.used ? *(int64_t *)near.data : boxes->count;
        }
        if (at == after.len / 8)
            answer = told(&found);
    }
    drop(&near);
    drop(&found);
    PyBuffer_Release(&corners);
    PyBuffer_Release(&after);
    PyBuffer_Release(&held);
    return answer;
}

static PyMethodDef BOXES_METHODS[] = {
    {"overlapping", overlapping, METH_VARARGS, OVERLAPPING},
    {"ask", ask_boxes, METH_VARARGS, ASK},
    {"holes", holes_of, METH_VARARGS, HOLES},
    {"shadows", shadows, METH_VARARGS, SHADOWS},
    {"deciding", deciding, METH_VARARGS, DECIDING},
    {NULL, NULL, 0, NULL},
};

/* ---- the type of boxes --------------------------------------------------------------------- */

static void free_boxes(PyObject *self)
{
    Boxes *boxes = (Boxes *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(boxes->sorted);
    PyMem_Free(boxes->places);
    PyMem_Free(boxes->least);
    PyMem_Free(boxes->most);
    PyMem_Free(boxes->marks);
    PyBuffer_Release(&boxes->lows);
    PyBuffer_Release(&boxes->highs);
    type->tp_free(self);
    Py_DECREF(type);
}

static int take_order(Boxes *boxes, PyObject *order)
{
    uint32_t seen = 0;
    boxes->kept = PyTuple_GET_SIZE(order);
    if (boxes->kept < 1 || boxes->kept > boxes->sides) {
        PyErr_SetString(PyExc_ValueError, "order: 1 to all of the dimensions");
        return -1;
    }
    for (Py_ssize_t at = 0; at < boxes->kept; at++) {
        const Py_ssize_t side = PyLong_AsSsize_t(PyTuple_GET_ITEM(order, at));
        if (side == -1 && PyErr_Occurred())
            return -1;
        if (side < 0 || side >= boxes->sides || seen >> side & 1) {
            PyErr_SetString(PyExc_ValueError, "order: not an order of dimensions");
            return -1;
        }
        seen |= (uint32_t)1 << side;
        boxes->order[at] = side;
    }
    return 0;
}

static PyObject *new_boxes(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *lows, *highs, *order;
    if (named != NULL && PyDict_GET_SIZE(named)) {
        PyErr_SetString(PyExc_TypeError, "Boxes(lows, highs, order): no named arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "OOO!", &lows, &highs, &PyTuple_Type, &order))
        return NULL;
    Boxes *boxes = (Boxes *)type->tp_alloc(type, 0);
    if (boxes == NULL)
        return NULL;
    if (borrow(lows, &boxes->lows, 'i', -1, "lows") < 0)
        goto failed;
    boxes->sides = boxes->lows.ndim == 2 ? boxes->lows.shape[0] : 0;
    if (boxes->sides < 1 || boxes->sides > MOST_SIDES) {
        PyErr_Format(PyExc_ValueError, "lows: not [dimension, box] of 1 to %d dimensions",
                     MOST_SIDES);
        goto failed;
    }
    boxes->count = boxes->lows.len / 4 / boxes->sides;
    if (take_order(boxes, order) < 0
        || borrow(highs, &boxes->highs, 'i', boxes->count * boxes->sides, "highs") < 0
        || sort_boxes(boxes) < 0)
        goto failed;
    return (PyObject *)boxes;
failed:
    Py_DECREF(boxes);
    return NULL;
}

static PyType_Slot BOXES_SLOTS[] = {
    {Py_tp_doc, "Boxes(lows, highs, order): int32 ranks [dimension, box], dimensions to compare"},
    {Py_tp_new, new_boxes},
    {Py_tp_dealloc, free_boxes},
    {Py_tp_methods, BOXES_METHODS},
    {0, NULL},
};
static PyType_Spec BOXES_SPEC = {
    "sitiv_infra.policy._cover.Boxes", sizeof(Boxes), 0, Py_TPFLAGS_DEFAULT, BOXES_SLOTS,
};

static State *state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

static int fill(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->holes = PyType_FromModuleAndSpec(module, &HOLES_SPEC, NULL);
    state->boxes = PyType_FromModuleAndSpec(module, &BOXES_SPEC, NULL);
    if (state->holes == NULL || state->boxes == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Boxes", state->boxes);
}

static int visit(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->holes);
    Py_VISIT(state->boxes);
    return 0;
}

static int clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->holes);
    Py_CLEAR(state->boxes);
    return 0;
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, fill}, {0, NULL}};
static PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sitiv_infra.policy._cover",
    .m_doc = "The questions of cover.py in C.",
    .m_size = sizeof(State),
    .m_slots = SLOTS,
    .m_traverse = visit,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__cover(void)
{
    return PyModuleDef_Init(&MODULE);
}
