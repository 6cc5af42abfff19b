#include "demo/demo.h"

int main(int argc, char** argv) { return tarn::demo::Run(argc, argv); }
