// Runs a grid of CUDA threads on one core: blocks one after another, the threads of a block as fibers.
//
// What is checked on the way: barriers that only some threads reach, warp operations whose lanes never come or meet
// in different places, memory outside the arrays (each lies between pages that must not be touched), undefined
// behaviour (g++ compiles a trap for it), shared memory read before it is written (it starts as NaN). Threads run in
// one of three orders: what depends on the order differs.
#include "device.h"

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace simulator {

Thread* current;
dim3 grid_size, block_size, block_index;
char* dynamic_shared;
size_t dynamic_shared_bytes;

enum Order { FORWARD, REVERSE, SHUFFLED };

static void* scheduler;
static void (*kernel)(void**);
static void** arguments;
static char failure[512];
static std::vector<Thread> threads;
static std::vector<Warp> warps;
static std::vector<char*>* stacks;  // of fibers: one list for all libraries, as mappings are limited
static const size_t PAGE = sysconf(_SC_PAGESIZE);
static const size_t STACK = 64 << 10;

static const size_t GUARD = 16 << 20;  // bytes on either side of an array that must not be touched

// The address sanitiser's, where it is loaded: bytes that no kernel may touch.
extern "C" void __asan_poison_memory_region(const volatile void*, size_t) __attribute__((weak));
extern "C" void __asan_unpoison_memory_region(const volatile void*, size_t) __attribute__((weak));

static char* map_pages(size_t bytes, int protection = PROT_READ | PROT_WRITE) {
  void* region = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region != MAP_FAILED) return static_cast<char*>(region);
  perror("the simulated device has no memory");
  abort();
}

void fail(Place place, const char* text) {
  if (!failure[0]) snprintf(failure, sizeof failure, "%s:%d: %s", place.file, place.line, text);
}

// ---- fibers

#if defined(__x86_64__)
extern "C" void simulator_switch(void** save, void* resume);
asm(R"(
.local simulator_switch
.type simulator_switch, @function
simulator_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");

static void prepare(Thread& thread, void (*entry)()) {
  auto** top = reinterpret_cast<void**>(thread.stack + STACK - 16);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);  // the switch returns into it
  for (int i = 0; i < 6; i++) *--top = nullptr;
  thread.stack_pointer = top;
}
#else
static void simulator_switch(void** save, void* resume) {
  ucontext_t own;
  *save = &own;
  swapcontext(&own, static_cast<ucontext_t*>(resume));
}

static void prepare(Thread& thread, void (*entry)()) {
  auto* context = reinterpret_cast<ucontext_t*>(thread.stack);
  getcontext(context);
  context->uc_stack.ss_sp = thread.stack + sizeof(ucontext_t);
  context->uc_stack.ss_size = STACK - sizeof(ucontext_t);
  makecontext(context, entry, 0);
  thread.stack_pointer = context;
}
#endif

static void wait(State state, Place place) {
  current->state = state;
  current->place = place;
  simulator_switch(&current->stack_pointer, scheduler);
}

static void enter() {
  kernel(arguments);
  wait(DONE, {});
}

static void start(Thread& thread, size_t number) {
  if (stacks->size() <= number) {
    char* region = map_pages(STACK + PAGE);
    mprotect(region, PAGE, PROT_NONE);
    stacks->push_back(region + PAGE);
  }
  thread.stack = (*stacks)[number];
  thread.state = READY;
  thread.copies.clear();
  thread.groups = 0;
  prepare(thread, enter);
}

// ---- barriers and warps

void block_barrier(Place place) { wait(AT_BARRIER, place); }

void meet(unsigned mask, void* operands, void (*combine)(void**, unsigned), Place place) {
  Warp& warp = *current->warp;
  if (!(mask >> current->lane & 1)) fail(place, "a lane takes part in a warp operation whose mask leaves it out");
  if (warp.arrived && warp.id != place.id) fail(place, "lanes of one warp meet in different operations");
  warp.id = place.id;
  warp.operands[current->lane] = operands;
  warp.arrived |= 1u << current->lane;
  if ((warp.arrived & mask) != mask) return wait(IN_WARP, place);
  combine(warp.operands, mask);
  warp.arrived = 0;
  size_t first = (&warp - warps.data()) * 32;
  for (size_t i = first; i < std::min(first + 32, threads.size()); i++)
    if (threads[i].state == IN_WARP) threads[i].state = READY;
}

// ---- a block

static uint64_t random_state = 88172645463325252ull;
static size_t random_below(size_t n) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state % n;
}

static void describe(const Thread& thread, const char* why) {
  char text[200];
  snprintf(text, sizeof text, "%s (block %u,%u,%u thread %u,%u,%u waits here)", why, block_index.x, block_index.y,
           block_index.z, thread.index.x, thread.index.y, thread.index.z);
  fail(thread.place, text);
}

static bool resume(unsigned number) {
  if (threads[number].state != READY) return false;
  current = &threads[number];
  simulator_switch(&scheduler, current->stack_pointer);
  return true;
}

// Forward and reverse, a warp goes as far as it can before the next begins; shuffled, each thread until it waits.
static bool run_ready(Order order) {
  size_t count = threads.size();
  bool progress = false;
  if (order == SHUFFLED) {
    std::vector<unsigned> turn(count);
    for (size_t i = 0; i < count; i++) {
      size_t j = random_below(i + 1);
      turn[i] = turn[j];
      turn[j] = i;
    }
    for (unsigned number : turn) progress |= resume(number);
    return progress;
  }
  for (size_t first = 0; first < count; first += 32)
    for (bool more = true; more && !failure[0];) {
      more = false;
      for (size_t i = first; i < std::min(count, first + 32); i++)
        more |= resume(order == REVERSE ? count - 1 - i : i);
      progress |= more;
    }
  return progress;
}

// Not by memset, which the address sanitiser keeps from what lies between the arrays.
static void fill_with_nan(volatile char* first, volatile char* last) {
  while (first < last) *first++ = char(0xff);
}

static void run_block(Order order) {
  for (size_t i = 0; i < threads.size(); i++) start(threads[i], i);
  for (Warp& warp : warps) warp.arrived = 0;
  while (!failure[0]) {
    bool progress = run_ready(order);
    size_t done = 0, waiting = 0;
    Thread* first = nullptr;
    for (Thread& thread : threads) {
      done += thread.state == DONE;
      if (thread.state != AT_BARRIER) continue;
      waiting++;
      if (!first) first = &thread;
      else if (thread.place.id != first->place.id) describe(thread, "threads wait at different barriers");
    }
    if (done == threads.size() || failure[0]) return;
    if (waiting && waiting + done == threads.size()) {
      for (Thread& thread : threads)
        if (thread.state == AT_BARRIER) thread.state = READY;
    } else if (!progress) {
      for (Thread& thread : threads)
        if (thread.state == IN_WARP) return describe(thread, "deadlock in a warp operation");
      return;
    }
  }
}

// ---- faults: memory that must not be touched, or a trap

static sigjmp_buf out;

static void on_signal(int signal, siginfo_t* info, void* context) {
#if defined(__x86_64__)
  auto* at = reinterpret_cast<char*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  auto* at = reinterpret_cast<char*>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#else
  char* at = nullptr;
#endif
  Dl_info library{};
  dladdr(at, &library);
  const char* why = signal == SIGSEGV || signal == SIGBUS ? "out of bounds"
                    : signal == SIGFPE                    ? "division of an integer by zero"
                                                          : "undefined behaviour (overflow, alignment, array bounds)";
  snprintf(failure, sizeof failure, "@%lx: %s, in block %u,%u,%u thread %u,%u,%u",
           (long)(at - static_cast<char*>(library.dli_fbase)), why, block_index.x, block_index.y, block_index.z,
           current->index.x, current->index.y, current->index.z);
  siglongjmp(out, 1);
}

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

struct Handlers {
  struct sigaction before[5];
  stack_t stack_before;
  Handlers() {
    static char* own = map_pages(STACK);
    stack_t stack{};
    stack.ss_sp = own;
    stack.ss_size = STACK;
    sigaltstack(&stack, &stack_before);
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 5; i++) sigaction(SIGNALS[i], &action, &before[i]);
  }
  ~Handlers() {
    for (int i = 0; i < 5; i++) sigaction(SIGNALS[i], &before[i], nullptr);
    sigaltstack(&stack_before, nullptr);
  }
};

}  // namespace simulator

// ---- what Python calls

using namespace simulator;

extern char __start_block_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_block_shared[] __attribute__((weak, visibility("hidden")));

// Runs the grid; null, or what went wrong and where.
extern "C" const char* simulator_launch(void (*call)(void**), void** with, const unsigned* grid, const unsigned* block,
                                        size_t shared_bytes, int order) {
  failure[0] = 0;
  kernel = call;
  arguments = with;
  dynamic_shared_bytes = shared_bytes;
  grid_size = {grid[0], grid[1], grid[2]};
  block_size = {block[0], block[1], block[2]};
  size_t count = size_t(block[0]) * block[1] * block[2], blocks = size_t(grid[0]) * grid[1] * grid[2];
  threads.assign(count, Thread{});
  warps.assign((count + 31) / 32, Warp{});
  for (size_t i = 0; i < count; i++) {
    threads[i].index = {unsigned(i % block[0]), unsigned(i / block[0] % block[1]), unsigned(i / block[0] / block[1])};
    threads[i].warp = &warps[i / 32];
    threads[i].lane = i % 32;
  }
  Handlers handlers;
  if (!sigsetjmp(out, 1)) {
    for (size_t i = 0; i < blocks && !failure[0]; i++) {
      size_t j = order == REVERSE ? blocks - 1 - i : i;
      block_index = {unsigned(j % grid[0]), unsigned(j / grid[0] % grid[1]), unsigned(j / grid[0] / grid[1])};
      if (__start_block_shared) fill_with_nan(__start_block_shared, __stop_block_shared);
      memset(dynamic_shared, 0xff, shared_bytes);
      run_block(Order(order));
    }
  }
  return failure[0] ? failure : nullptr;
}

struct Guarded { char* region; size_t region_bytes, bytes; };
static std::map<char*, Guarded> guarded;

// Memory between two guards, against the second one or against the first, and filled with NaN.
extern "C" char* simulator_allocate(size_t bytes, bool against_first) {
  size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
  char* region = map_pages(pages + 2 * GUARD, PROT_NONE);
  mprotect(region + GUARD, pages, PROT_READ | PROT_WRITE);
  memset(region + GUARD, 0xff, pages);
  char* data = region + GUARD + (against_first ? 0 : (pages - bytes) & ~size_t(15));  // CUDA aligns arrays
  guarded[data] = {region, pages + 2 * GUARD, bytes};
  if (__asan_poison_memory_region) {
    __asan_poison_memory_region(region + GUARD, data - (region + GUARD));
    __asan_poison_memory_region(data + bytes, region + GUARD + pages - (data + bytes));
  }
  return data;
}

// Frees it; whether the bytes around it, up to the guards, are as they were.
extern "C" bool simulator_free(char* data) {
  Guarded g = guarded[data];
  guarded.erase(data);
  bool untouched = true;
  for (char* p = g.region + GUARD; p < g.region + g.region_bytes - GUARD; p++)
    if (p < data || p >= data + g.bytes) untouched &= *p == char(0xff);
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(g.region, g.region_bytes);
  munmap(g.region, g.region_bytes);
  return untouched;
}

// Uses the stacks of another library, or, null, begins with none; gives what a third may use.
extern "C" void* simulator_share_stacks(void* of_another) {
  stacks = of_another ? static_cast<std::vector<char*>*>(of_another) : new std::vector<char*>;
  return stacks;
}

extern "C" void simulator_set_shared(char* memory) { dynamic_shared = memory; }
