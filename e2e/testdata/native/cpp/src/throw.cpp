// SPDX-License-Identifier: MIT OR Apache-2.0

#include <exception>
#include <future>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {
// Its destructor has to run while the stack is unwound.
struct Counted {
	int &n;
	~Counted() { ++n; }
};

struct Storm : std::runtime_error {
	int force;
	explicit Storm(int f) : std::runtime_error("storm " + std::to_string(f)), force(f) {}
};

[[gnu::noinline]] void sail(int depth, int &left) {
	Counted c{left};
	if (depth == 0)
		throw Storm(9);
	sail(depth - 1, left);
}

thread_local int mine = 0;
} // namespace

// Throws and catches inside of each of four threads.
extern "C" int caught_inside() {
	std::vector<std::thread> crew;
	std::vector<int> left(4), force(4);
	for (int i = 0; i < 4; i++)
		crew.emplace_back([&, i] {
			try {
				mine = i;
				sail(10 + i, left[i]);
			} catch (const std::exception &e) {
				force[i] = dynamic_cast<const Storm &>(e).force + mine;
			}
		});
	for (auto &t : crew)
		t.join();
	int sum = 0;
	for (int i = 0; i < 4; i++)
		sum += left[i] + force[i];
	return sum; // 11+12+13+14 destructors, 9+10+11+12
}

// Throws in one thread and catches in another, after the first has ended.
extern "C" int caught_after() {
	std::exception_ptr held;
	int left = 0;
	std::thread([&] {
		try {
			sail(3, left);
		} catch (...) {
			held = std::current_exception();
		}
	}).join();
	try {
		std::rethrow_exception(held);
	} catch (const Storm &s) {
		std::ostringstream text;
		text << s.what() << ' ' << left;
		return text.str() == "storm 9 4" ? 1 : 0;
	}
	return 0;
}

// The same by the library's own means.
extern "C" int caught_by_future() {
	auto f = std::async(std::launch::async, [] { int left = 0; sail(1, left); return left; });
	try {
		return f.get();
	} catch (const Storm &s) {
		std::cout << s.what() << std::endl;
		return s.force;
	}
}
